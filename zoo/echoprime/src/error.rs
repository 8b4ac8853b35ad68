//! What can go wrong with a vocabulary file.

use std::path::PathBuf;

/// An error of reading a WordPiece vocabulary.
#[derive(Debug, thiserror::Error)]
pub enum VocabularyError {
    /// There is no vocabulary file where one is looked for.
    #[error("there is neither tokenizer.json nor vocab.txt in {folder}; put BiomedBERT's there", folder = folder.display())]
    Missing {
        /// The folder of the weights.
        folder: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot read the vocabulary {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the vocabulary of an uncased or cased BERT.
    #[error("{path} is not a WordPiece vocabulary that can be used: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
