//! The few things that the log asks of a file system, so that a simulated one can be put under it.

mod disk;
#[cfg(feature = "simulated")]
pub mod simulated;

use std::io;

pub use disk::{Directory, DiskFile};

/// A directory that belongs to one log.
pub trait Files: Send + 'static {
    /// An open file.
    type File: File;

    /// Keeps every other process (and every other `Files`) out, until this value is dropped. False:
    /// the directory is taken.
    fn lock(&mut self) -> io::Result<bool>;
    /// The names of all files in it, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Creates a file that must not be there.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Gives a file another name, in place of a file that may have had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; what has it open can go on reading.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes stable what [`Files::create`], [`Files::rename`] and [`Files::remove`] have done.
    fn sync(&self) -> io::Result<()>;
    /// Puts a copy of a file aside, where the log does not look, for people to look at.
    fn quarantine(&self, name: &str) -> io::Result<()>;
}

/// An open file. Reads and writes do not move a position, and may come from several threads.
pub trait File: Send + Sync + 'static {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads up to the length of `into`; gives how many bytes there were. Fewer only at the end of
    /// the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error, any part of them may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the content stable.
    fn sync(&self) -> io::Result<()>;
    /// Makes it `length` bytes long: cuts it off, or appends zeros for which room is reserved, as
    /// far as the file system can do that.
    fn resize(&self, length: u64) -> io::Result<()>;
}
