//! Which pieces of compressed pixels make up which frame (PS3.5, A.4).

use super::data_set::Run;

/// Whole frames, each of one or more pieces that follow each other.
#[derive(Debug)]
pub(crate) struct Frames {
    pieces: Vec<Run>,
    /// The place of each frame's first piece, and the end of the last frame.
    bounds: Vec<usize>,
}

impl Frames {
    pub(crate) fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    pub(crate) fn pieces(&self, frame: usize) -> &[Run] {
        &self.pieces[self.bounds[frame]..self.bounds[frame + 1]]
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.bounds.truncate(len + 1);
    }

    /// Finds the whole frames, of `declared` ones or as many as are there; `cut` says that pieces are missing at the end.
    /// `table` and the first of `extended` have where frames begin, counted from `base`, where they are not empty;
    /// `begins_picture` says whether a piece is the start of one.
    ///
    /// # Errors
    /// The tables contradict the pieces, or nothing says where frames begin.
    pub(crate) fn find(
        declared: usize,
        table: &[u32],
        extended: &[Vec<u64>; 2],
        (base, pieces): (u64, Vec<Run>),
        cut: bool,
        begins_picture: impl Fn(&Run) -> bool,
    ) -> Result<Self, String> {
        let count = pieces.len();
        if count == 0 || (declared == 1 && cut) {
            return Ok(Self { pieces, bounds: vec![0] });
        }
        if declared == 1 {
            return Ok(Self { pieces, bounds: vec![0, count] });
        }
        let is_in_table = !table.is_empty() || !extended[0].is_empty();
        // What most files have, whether their table says so or not.
        if count == declared || (count < declared && !is_in_table) {
            return Ok(Self { pieces, bounds: (0..=count).collect() });
        }
        let mut bounds: Vec<usize> = Vec::new();
        if !is_in_table {
            bounds.extend((0..count).filter(|&at| at == 0 || begins_picture(&pieces[at])));
            if bounds.len() == 1 {
                return Err(format!("nothing says which of its {count} pieces belong to which frame"));
            }
            // The end of the last may be missing.
            if !cut {
                bounds.push(count);
            }
            return Ok(Self { pieces, bounds });
        }
        let mut begins: Box<dyn Iterator<Item = u64>> = match extended[0].is_empty() {
            true => Box::new(table.iter().map(|&offset| u64::from(offset))),
            false => Box::new(extended[0].iter().copied()),
        };
        let mut next = begins.next();
        for (at, piece) in pieces.iter().enumerate() {
            let offset = piece.start - base;
            if next == Some(offset) {
                bounds.push(at);
                next = begins.next();
            }
            if bounds.is_empty() {
                return Err("its table of frames does not begin with the first".to_owned());
            }
            if next.is_some_and(|begin| begin <= offset) {
                return Err("its table of frames has places where no piece begins".to_owned());
            }
        }
        // The header of what would follow is eight bytes long.
        let end = pieces.last().map_or(0, |last| last.start + last.len + last.len % 2 + 8 - base);
        if !cut || next == Some(end) {
            bounds.push(count);
        }
        Ok(Self { pieces, bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of these lengths, each after a header of eight bytes.
    fn pieces(lengths: &[u64]) -> Vec<Run> {
        let mut at = 1000;
        let next = |&len: &u64| {
            let start = at + 8;
            at = start + len;
            Run { start, len }
        };
        lengths.iter().map(next).collect()
    }

    fn counts(
        declared: usize,
        table: &[u32],
        extended: &[u64],
        lengths: &[u64],
        starts: &[usize],
    ) -> Result<Vec<usize>, String> {
        let pieces = pieces(lengths);
        let begins = |piece: &Run| starts.iter().any(|&at| pieces[at] == *piece);
        let extended = [extended.to_vec(), Vec::new()];
        let found = Frames::find(declared, table, &extended, (1008, pieces.clone()), false, begins)?;
        Ok((0..found.len()).map(|frame| found.pieces(frame).len()).collect())
    }

    #[test]
    fn frames_are_found_by_number_by_tables_and_by_their_starts() {
        assert_eq!(counts(1, &[], &[], &[4, 6, 2], &[]), Ok(vec![3]));
        assert_eq!(counts(3, &[], &[], &[4, 6, 2], &[]), Ok(vec![1, 1, 1]));
        assert_eq!(counts(2, &[0, 26], &[], &[4, 6, 2], &[]), Ok(vec![2, 1]));
        assert_eq!(counts(2, &[], &[0, 12], &[4, 6, 2], &[]), Ok(vec![1, 2]));
        assert_eq!(counts(2, &[], &[], &[4, 6, 2], &[0, 2]), Ok(vec![2, 1]));
        // Of a file that was cut.
        assert_eq!(counts(5, &[], &[], &[4, 6], &[]), Ok(vec![1, 1]));
        assert_eq!(counts(3, &[0, 26, 36], &[], &[4, 6], &[]), Ok(vec![2]));
        assert_eq!(counts(2, &[], &[], &[], &[]), Ok(vec![]));
    }

    #[test]
    fn a_frame_that_was_cut_is_none() {
        let pieces = pieces(&[4, 6, 2]);
        let count = |declared: usize, table: &[u32], pieces: &[Run]| {
            let begins = |piece: &Run| piece.len != 6;
            let pieces = (1008, pieces.to_vec());
            Frames::find(declared, table, &[Vec::new(), Vec::new()], pieces, true, begins).unwrap().len()
        };
        assert_eq!(count(1, &[], &pieces), 0);
        assert_eq!((count(4, &[0, 26, 36], &pieces), count(4, &[0, 26, 50], &pieces)), (2, 1));
        assert_eq!(count(2, &[], &pieces), 1);
    }

    #[test]
    fn tables_that_contradict_the_pieces_are_errors() {
        assert!(counts(2, &[12, 26], &[], &[4, 6, 2], &[]).unwrap_err().contains("begin with the first"));
        assert!(counts(2, &[0, 13], &[], &[4, 6, 2], &[]).unwrap_err().contains("no piece begins"));
        assert!(counts(2, &[], &[], &[4, 6, 2], &[0]).unwrap_err().contains("which of its 3 pieces"));
    }
}
