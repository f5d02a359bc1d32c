//! A crash-safe log in a directory: what is appended to it is found again after a crash, as far as
//! it was made stable. This crate knows no MQTT.
//!
//! A [`Frame`] holds entries that get into the log together or not at all. An entry with a [`Key`]
//! can be read back. A *checkpoint* says anew what is still worth knowing, so that what came before
//! can go.
//!
//! ```text
//!   00000007.log            00000008.log            00000009.log
//!   ┌──────┬─────┬───┬────┐ ┌──────┬─────┬────────┐ ┌──────┬─────┬─────┬ ─ ─ ─ ─ ─
//!   │header│frame│fr…│fr… │ │header│frame│frame   │ │header│frame│frame│ reserved
//!   └──────┴─────┴───┴────┘ └──────┴─────┴────────┘ └──────┴─────┴─────┴ ─ ─ ─ ─ ─
//!   below `low`: read back  │◀── replayed when the log is opened ─────▶│
//!   by key only            low                                        end
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `frame`, `entry` | frames and entries, and how they look in a file |
//! | `log/mod` | [`Log`]: opening, appending, making stable |
//! | `log/segment` | segments, and how their headers look |
//! | `log/space` | where the files of segments come from and go to |
//! | `log/index` | where entries with keys lie |
//! | `log/scan`, `log/recover` | reading frames; what is replayed, torn or damaged |
//! | `mend` | putting a flipped bit right |
//! | `log/checkpoint` | checkpoints, and freeing what they leave behind |
//! | `log/inspect` | looking at a log without changing it |
//! | `read` | reading entries back |
//! | `history` | reading the log from some place on |
//! | `service` | [`Service`]: a log shared by threads, one sync for all |
//! | `files` | what is asked of a file system |
//! | `key`, `error` | [`Key`], [`Position`]; [`Error`] |

mod entry;
mod error;
pub mod files;
mod frame;
mod history;
mod key;
mod log;
mod mend;
mod read;
mod service;

pub use error::Error;
pub use files::Directory;
pub use frame::Frame;
pub use history::{History, Past, Start};
pub use key::{Key, Position};
pub use log::{
    Cause, Damage, Inspected, Inspection, Log, Options, Recovery, Replayed, Retention, Statistics,
    inspect,
};
pub use read::{Found, Reading};
pub use service::{Client, Commit, Handle, Haste, News, Service, ServiceOptions};
