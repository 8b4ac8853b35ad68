//! The encoder and the adapter that come from outside: the example of `echo-zoo`, held to the same contracts as our own.

#[path = "../../zoo/echo-zoo/examples/tinyecho/attentive_probe.rs"]
mod attentive_probe;
#[path = "../../zoo/echo-zoo/examples/tinyecho/card.rs"]
mod card;
#[path = "../../zoo/echo-zoo/examples/tinyecho/keys.rs"]
mod keys;
#[path = "../../zoo/echo-zoo/examples/tinyecho/model.rs"]
mod model;

pub use attentive_probe::AttentiveProbe;
pub use card::CARD;
pub use keys::KEYS;
pub use model::TinyEcho;

/// It is the skeleton of new encoders, whose own tests ask for this.
#[test]
fn all_presets_have_the_parameters_of_the_card() {
    use burn::module::Module;
    use echo_weights::Pretrained;

    for preset in CARD.presets {
        let model = TinyEcho::init(preset, &crate::fixtures::device());
        assert_eq!(model.num_params(), preset.parameters, "{}", preset.name);
    }
}
