//! Text in tables that may be opened in a spreadsheet.

use std::borrow::Cow;

/// A spreadsheet takes a cell that begins so for a formula, whatever its quotes, and computes it.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Text for a cell of a table: what a spreadsheet would compute gets an apostrophe before it, which makes it text there.
/// [`from_cell`] takes it away again.
pub fn to_cell(text: &str) -> Cow<'_, str> {
    match text.starts_with(FORMULA) || text.starts_with('\'') {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// The text that [`to_cell`] made `cell` of.
pub fn from_cell(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| text.starts_with(FORMULA) || text.starts_with('\'')).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text_in_the_table_and_the_same_name_outside() {
        for name in ["=1+1", "+49", "-x", "@a", "\tb", "\rc", "'d", "''e", "plain", "a=b", "", "'"] {
            let cell = to_cell(name);
            assert!(!cell.starts_with(FORMULA), "{cell:?}");
            assert_eq!(from_cell(&cell), name, "{cell:?}");
        }
        assert!(matches!(to_cell("plain"), Cow::Borrowed(_)));
        // A spreadsheet may have dropped the apostrophe when it saved the table.
        assert_eq!(from_cell("=1+1"), "=1+1");
    }
}
