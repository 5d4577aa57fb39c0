//! In which words a connection hears: the native ones, or some tutorials' dialects.
use serde::{Deserialize, Serialize};

/// A set of vocabularies, one bit each. A tutorial's socket that has not spoken yet has all
/// dialects' bits: nobody knows which of them it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct View(u8);

impl View {
    /// `/chat`: our own events.
    pub const NATIVE: Self = Self(1);
    /// `chat message`.
    pub const CHAT_MESSAGE: Self = Self(1 << 1);
    /// `msg:get`, `msg:post`.
    pub const MSG_GET: Self = Self(1 << 2);
    /// `adduser`, `users`, `message`.
    pub const ADDUSER: Self = Self(1 << 3);
    /// `IO_SERVER_HELLO`.
    pub const HELLO: Self = Self(1 << 4);
    /// Every dialect: a tutorial's socket before it has shown which one it speaks.
    pub const UNDECIDED: Self =
        Self(Self::CHAT_MESSAGE.0 | Self::MSG_GET.0 | Self::ADDUSER.0 | Self::HELLO.0);

    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether some vocabulary is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
