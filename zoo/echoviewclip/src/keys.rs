//! Names of upstream's checkpoints, and of CLIP's table of words beside them.

use echo_weights::{Ignore, KeyTable, Rename};

const NUMBERED: &str = "numbered in a Sequential";
const BRANCH: &str = "the second branch is a module of its own";

/// From upstream's names, those of CLIP under `clip.` and those of the third stage under `qc.`, to the module's.
pub const KEYS: KeyTable = KeyTable {
    renames: &[
        Rename { pattern: r"^image_encoder\.", replacement: "visual.", reason: "CLIP's name" },
        Rename { pattern: r"^text_encoder\.", replacement: "text.net.", reason: "kept with its temperature" },
        Rename { pattern: r"^logit_scale$", replacement: "text.logit_scale", reason: "kept with the text tower" },
        Rename { pattern: r"^image_attention\.0\.", replacement: "pool.first.", reason: NUMBERED },
        Rename { pattern: r"^image_attention\.2\.", replacement: "pool.score.", reason: NUMBERED },
        Rename { pattern: r"^projector\.", replacement: "pool.projector.", reason: "the last layer of the pooling" },
        Rename {
            pattern: r"^(class_embedding|positional_embedding|proj)$",
            replacement: "no.visual.$1",
            reason: "upstream keeps these of the second branch at the top level",
        },
        Rename { pattern: r"^image_encoder_no\.", replacement: "no.visual.resblocks.", reason: BRANCH },
        Rename { pattern: r"^image_encoder_inpost_no\.", replacement: "no.visual.ln_post.", reason: BRANCH },
        Rename { pattern: r"^text_encoder_no\.", replacement: "no.text.", reason: BRANCH },
        Rename { pattern: r"^image_attention_no\.0\.", replacement: "no.pool.first.", reason: NUMBERED },
        Rename { pattern: r"^image_attention_no\.2\.", replacement: "no.pool.score.", reason: NUMBERED },
        Rename { pattern: r"^projector_no\.", replacement: "no.pool.projector.", reason: BRANCH },
        Rename { pattern: r"^qc\.projector_sqc\.", replacement: "quality.projector.", reason: "the quality head" },
        Rename { pattern: r"^qc\.classifier_sqc\.", replacement: "quality.classifier.", reason: "the quality head" },
        Rename {
            pattern: r"^clip\.token_embedding\.",
            replacement: "text.net.token_embedding.",
            reason: "the table of words, of CLIP's own file",
        },
        Rename {
            pattern: r"\.attn\.in_proj_(weight|bias)$",
            replacement: ".attn.in_proj.$1",
            reason: "one Linear for queries, keys and values",
        },
    ],
    ignored: &[
        Ignore {
            pattern: r"^prompt_learner(_no)?\.(complete_text_embeddings|token_prefix|token_suffix)$",
            reason: "words of the prompts, which the table of words gives",
        },
        Ignore {
            pattern: r"^prompt_learner_no\.ctx$",
            reason: "the released code encodes no sentence that denies, and so never trained the words for it",
        },
        Ignore {
            pattern: r"^clip\.(visual|transformer|ln_final)\.",
            reason: "the towers are those of the checkpoint; CLIP's file is there for its table of words",
        },
        Ignore {
            pattern: r"^clip\.(positional_embedding|text_projection|logit_scale|attn_mask|input_resolution|context_length|vocab_size)$",
            reason: "as the towers",
        },
        Ignore {
            pattern: r"^qc\.(class_embedding|positional_embedding|proj|logit_scale)$",
            reason: "the third stage trains its head alone: all else is as after the second",
        },
        Ignore {
            pattern: r"^qc\.(image_encoder|image_encoder_no|image_encoder_inpost_no|image_attention|image_attention_no|projector|projector_no)\.",
            reason: "as above",
        },
    ],
    recognised_by: &["image_encoder.conv1.weight", "text_encoder.text_projection", "projector.weight"],
    ..KeyTable::IDENTITY
};
