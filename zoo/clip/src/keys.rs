//! Names of open_clip's checkpoint, and of Hugging Face's.

use echo_weights::{Ignore, Join, KeyTable, Rename, Transpose};

/// From open_clip's names, or Hugging Face's, to the module's.
pub const KEYS: KeyTable = KeyTable {
    joined: &[Join {
        parts: &["q_proj", "k_proj", "v_proj"],
        whole: "in_proj",
        reason: "Hugging Face has a layer each for queries, keys and values",
    }],
    transposed: &[Transpose {
        pattern: r"^(visual|text)_projection\.weight$",
        reason: "Hugging Face's projections are linear layers, open_clip's are matrices",
    }],
    renames: &[
        Rename {
            pattern: r"^text_model\.embeddings\.token_embedding\.",
            replacement: "token_embedding.",
            reason: "Hugging Face",
        },
        Rename {
            pattern: r"^text_model\.embeddings\.position_embedding\.weight$",
            replacement: "positional_embedding",
            reason: "Hugging Face: a layer",
        },
        Rename { pattern: r"^text_model\.final_layer_norm\.", replacement: "ln_final.", reason: "Hugging Face" },
        Rename {
            pattern: r"^text_model\.encoder\.layers\.",
            replacement: "transformer.resblocks.",
            reason: "Hugging Face",
        },
        Rename {
            pattern: r"^text_projection\.weight$",
            replacement: "text_projection",
            reason: "Hugging Face: a layer",
        },
        Rename {
            pattern: r"^vision_model\.embeddings\.class_embedding$",
            replacement: "visual.class_embedding",
            reason: "Hugging Face",
        },
        Rename {
            pattern: r"^vision_model\.embeddings\.position_embedding\.weight$",
            replacement: "visual.positional_embedding",
            reason: "Hugging Face: a layer",
        },
        Rename {
            pattern: r"^vision_model\.embeddings\.patch_embedding\.",
            replacement: "visual.conv1.",
            reason: "Hugging Face",
        },
        Rename {
            pattern: r"^vision_model\.pre_layrnorm\.",
            replacement: "visual.ln_pre.",
            reason: "Hugging Face, spelt so",
        },
        Rename { pattern: r"^vision_model\.post_layernorm\.", replacement: "visual.ln_post.", reason: "Hugging Face" },
        Rename {
            pattern: r"^vision_model\.encoder\.layers\.",
            replacement: "visual.transformer.resblocks.",
            reason: "Hugging Face",
        },
        Rename { pattern: r"^visual_projection\.weight$", replacement: "visual.proj", reason: "Hugging Face: a layer" },
        Rename { pattern: r"\.self_attn\.", replacement: ".attn.", reason: "Hugging Face" },
        Rename { pattern: r"\.layer_norm(\d)\.", replacement: ".ln_$1.", reason: "Hugging Face" },
        Rename { pattern: r"\.mlp\.fc1\.", replacement: ".mlp.c_fc.", reason: "Hugging Face" },
        Rename { pattern: r"\.mlp\.fc2\.", replacement: ".mlp.c_proj.", reason: "Hugging Face" },
        Rename {
            pattern: r"^(positional_embedding|text_projection|token_embedding|ln_final|transformer)\b",
            replacement: "text.net.$1",
            reason: "open_clip keeps the text tower at the top level",
        },
        Rename { pattern: r"^logit_scale$", replacement: "text.logit_scale", reason: "kept with the text tower" },
        Rename {
            pattern: r"\.attn\.in_proj_(weight|bias)$",
            replacement: ".attn.in_proj.$1",
            reason: "one Linear for queries, keys and values",
        },
    ],
    ignored: &[
        Ignore { pattern: r"^attn_mask$", reason: "the causal mask is computed" },
        Ignore { pattern: r"\.position_ids$", reason: "Hugging Face: 0, 1, 2, and so on" },
        Ignore { pattern: r"^(input_resolution|context_length|vocab_size)$", reason: "OpenAI: sizes, as tensors" },
    ],
    recognised_by: &["visual.conv1.weight", "visual.class_embedding", "text_projection"],
};
