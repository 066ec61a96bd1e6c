//! Names for the layers of the sandbox, and sets of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One layer of the sandbox around a worker.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Layer {
    /// Limits on memory, core dumps, new processes.
    Rlimits,
    /// No capabilities, and no way to get any.
    NoNewPrivs,
    /// A list of system calls; any other ends the process.
    Seccomp,
    /// A user, file system, network and IPC of its own, all of them empty.
    Namespaces,
    /// No rights in the file system and on the network, by Landlock.
    Landlock,
}

impl Layer {
    /// All layers, in the order in which messages list them.
    pub const ALL: [Layer; 5] =
        [Layer::Rlimits, Layer::NoNewPrivs, Layer::Seccomp, Layer::Namespaces, Layer::Landlock];

    /// The name on the command line and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Rlimits => "rlimits",
            Layer::NoNewPrivs => "no-new-privs",
            Layer::Seccomp => "seccomp",
            Layer::Namespaces => "namespaces",
            Layer::Landlock => "landlock",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Layer, String> {
        let found = Layer::ALL.into_iter().find(|layer| layer.name() == text);
        found.ok_or_else(|| format!("there is no layer `{text}`; there are {}", Layers::ALL))
    }
}

/// A set of layers.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Layers(u8);

impl Layers {
    /// No layer.
    pub const NONE: Layers = Layers(0);
    /// Every layer.
    pub const ALL: Layers = Layers(0b1_1111);
    /// Layers that every machine has to allow: without them nothing runs unless the
    /// user writes `--sandbox=off`.
    pub const FLOOR: Layers = Layers(
        1 << Layer::Rlimits as u8 | 1 << Layer::NoNewPrivs as u8 | 1 << Layer::Seccomp as u8,
    );

    /// Whether the layer is in the set.
    pub fn has(self, layer: Layer) -> bool {
        self.0 >> layer as u8 & 1 == 1
    }

    /// This set and the other together.
    #[must_use]
    pub fn with(self, other: Layers) -> Layers {
        Layers(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub fn without(self, other: Layers) -> Layers {
        Layers(self.0 & !other.0)
    }

    /// Whether no layer is in the set.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The layers of the set.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |layer| self.has(*layer))
    }
}

impl From<Layer> for Layers {
    fn from(layer: Layer) -> Layers {
        Layers(1 << layer as u8)
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Layer::name).collect();
        f.pad(&if names.is_empty() { "none".into() } else { names.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sets() {
        assert_eq!(Layers::ALL.iter().count(), Layer::ALL.len());
        assert_eq!(Layers::ALL.without(Layers::FLOOR).to_string(), "namespaces, landlock");
        assert_eq!(Layers::NONE.to_string(), "none");
        for layer in Layer::ALL {
            assert_eq!(layer.name().parse(), Ok(layer));
            assert!(Layers::from(layer).has(layer));
        }
        assert!("chroot".parse::<Layer>().is_err());
    }
}
