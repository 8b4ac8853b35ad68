//! Which pieces of compressed pixels make up which frame (PS3.5, A.4).

use super::data_set::Run;

/// The pieces of each whole frame, of `declared` ones or as many as are there; `cut` says that pieces are missing at the end. `table` and the first of `extended` have where frames
/// begin, counted from the header of the first piece, where they are not empty; `begins_picture` says whether a piece is the
/// start of one.
///
/// # Errors
/// The tables contradict the pieces, or nothing says where frames begin.
pub(crate) fn frames(
    declared: usize,
    table: &[u32],
    extended: &[Vec<u64>; 2],
    pieces: &[Run],
    cut: bool,
    begins_picture: impl Fn(&Run) -> bool,
) -> Result<Vec<Vec<Run>>, String> {
    if declared == 1 {
        return Ok(if pieces.is_empty() || cut { Vec::new() } else { vec![pieces.to_vec()] });
    }
    let table: Vec<u64> = match extended[0].is_empty() {
        true => table.iter().map(|&offset| u64::from(offset)).collect(),
        false => extended[0].clone(),
    };
    // What most files have, whether their table says so or not.
    if pieces.len() == declared || (pieces.len() < declared && table.len() != pieces.len() && table.is_empty()) {
        return Ok(pieces.iter().map(|&piece| vec![piece]).collect());
    }
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let mut frames: Vec<Vec<Run>> = Vec::new();
    if table.is_empty() {
        for piece in pieces {
            match frames.last_mut() {
                Some(frame) if !begins_picture(piece) => frame.push(*piece),
                _ => frames.push(vec![*piece]),
            }
        }
        if frames.len() == 1 {
            return Err(format!("nothing says which of its {} pieces belong to which frame", pieces.len()));
        }
        // Its end may be missing.
        frames.truncate(frames.len() - usize::from(cut));
        return Ok(frames);
    }
    let mut begins = table.into_iter().peekable();
    for piece in pieces {
        // A table counts from the first piece's header, eight bytes before what it holds.
        let offset = piece.start - first.start;
        if begins.next_if_eq(&offset).is_some() {
            frames.push(vec![*piece]);
        } else {
            let frame = frames.last_mut().ok_or("its table of frames does not begin with the first")?;
            frame.push(*piece);
        }
        if begins.peek().is_some_and(|&begin| begin < offset) {
            return Err("its table of frames has places where no piece begins".to_owned());
        }
    }
    let end = pieces.last().map_or(0, |last| last.start + last.len + 8 + last.len % 2 - first.start);
    if cut && begins.peek() != Some(&end) {
        frames.pop();
    }
    Ok(frames)
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
        let found = frames(declared, table, &[extended.to_vec(), Vec::new()], &pieces, false, begins)?;
        Ok(found.iter().map(Vec::len).collect())
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
            frames(declared, table, &[Vec::new(), Vec::new()], pieces, true, begins).unwrap().len()
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
