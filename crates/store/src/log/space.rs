//! Where segments come from and go to: the files in reserve.
//!
//! A *spare* is a file of the length of a segment that is none yet. It is there so that a
//! checkpoint, which frees room, finds some. The files of segments that are not needed any more
//! become spares, and are taken first: a file that was written before can be made stable faster than a
//! new one, whose blocks the file system has yet to note as written.

use std::sync::Arc;

use super::Log;
use super::segment::{self, FRAMES, Header, Segment};
use crate::error::Error;
use crate::files::{File, Files};
use crate::key::Position;

/// A file in reserve.
pub(super) struct Spare<File> {
    name: String,
    file: File,
    disk: u32,
}

const SUFFIX: &str = ".spare";

impl<F: Files> Log<F> {
    /// Takes over the files in reserve that an earlier process has left; removes those that are not
    /// needed.
    pub(super) fn find_spares(&mut self) -> Result<(), Error> {
        let names = self
            .files
            .list()
            .map_err(|error| Error::io("list", "the directory", error))?;
        for name in names.into_iter().filter(|name| name.ends_with(SUFFIX)) {
            if self.spares.len() >= self.spares_wanted() {
                self.files
                    .remove(&name)
                    .map_err(|error| Error::io("remove", &name, error))?;
                continue;
            }
            let file = self
                .files
                .open(&name)
                .map_err(|error| Error::io("open", &name, error))?;
            let length = file
                .len()
                .map_err(|error| Error::io("measure", &name, error))?;
            let disk = length.min(u32::MAX.into()) as u32;
            self.spares.push_back(Spare { name, file, disk });
        }
        Ok(())
    }

    /// Whether there is not all of the reserve, or not even room for what is to be appended.
    /// [`Log::make_room`] finds out whether it still is so.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Fills up the reserve, if there is room for it.
    pub fn make_room(&mut self) {
        self.is_full = false;
        while !self.is_full && self.spares.len() < self.spares_wanted() {
            match self.create_spare(self.options.segment) {
                Ok(spare) => self.spares.push_back(spare),
                // Whatever it is: what cannot be had now will be missing later.
                Err(_) => self.is_full = true,
            }
        }
    }

    /// Ends the segment that is written, and begins one that has room for `length` bytes of frames.
    pub(super) fn begin_segment(&mut self, length: usize) -> Result<(), Error> {
        self.seal()?;
        let size = (FRAMES as usize + length).max(self.options.segment as usize) as u32;
        let mut spare = match self.spares.pop_front() {
            Some(spare) => spare,
            None => self.create_spare(size)?,
        };
        let header = Header {
            number: self.next_number(),
            low: self.low,
            before: self.end(),
        };
        if let Err(error) = self.make_segment(&mut spare, size, header) {
            self.spares.push_front(spare);
            return Err(error);
        }
        self.segments.push(Segment {
            number: header.number,
            file: Arc::new(spare.file),
            end: FRAMES,
            disk: spare.disk,
            index: super::Index::default(),
        });
        self.is_writing = true;
        self.last_crc = 0;
        self.make_room();
        Ok(())
    }

    /// Ends the segment that is written: cuts off what it has not used, and makes it stable.
    pub(super) fn seal(&mut self) -> Result<(), Error> {
        if !self.is_writing {
            return Ok(());
        }
        if let Some(segment) = self.segments.last_mut() {
            let name = || segment::name(segment.number);
            let cut = segment.file.resize(segment.end.into());
            cut.map_err(|error| Error::io("cut", &name(), error))?;
            segment.disk = segment.end;
            segment.index.finish();
        }
        self.is_unsynced = true;
        self.sync()?;
        self.is_writing = false;
        Ok(())
    }

    /// Takes a segment out of the log. Its file becomes a spare, unless somebody is reading it or
    /// there are enough.
    pub(super) fn remove_segment(&mut self, number: u32) -> Result<(), Error> {
        let Ok(at) = self
            .segments
            .binary_search_by_key(&number, |segment| segment.number)
        else {
            return Ok(());
        };
        let segment = self.segments.remove(at);
        self.statistics.bytes -= segment.bytes();
        let name = segment::name(number);
        let is_wanted =
            self.spares.len() < self.spares_kept() && segment.disk <= self.options.segment;
        match Arc::try_unwrap(segment.file) {
            Ok(file) if is_wanted => {
                let spare = format!("{number:08}{SUFFIX}");
                let renamed = self.files.rename(&name, &spare);
                renamed.map_err(|error| Error::io("rename", &name, error))?;
                self.sync_directory()?;
                let mut spare = Spare {
                    name: spare,
                    file,
                    disk: segment.disk,
                };
                match self.grow(&mut spare, self.options.segment) {
                    Ok(()) => self.spares.push_front(spare),
                    Err(_) => {
                        self.is_full = true;
                        return self.remove_spare(&spare);
                    }
                }
                Ok(())
            }
            _ => self
                .files
                .remove(&name)
                .map_err(|error| Error::io("remove", &name, error)),
        }
    }

    /// Bytes of all files.
    pub(super) fn disk(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| u64::from(segment.disk));
        let spares = self.spares.iter().map(|spare| u64::from(spare.disk));
        segments.chain(spares).sum()
    }

    fn spares_wanted(&self) -> usize {
        self.options.reserve.div_ceil(self.options.segment.into()) as usize
    }

    fn spares_kept(&self) -> usize {
        let more = match self.disk() < self.options.limit / 2 {
            true => self.options.reuse / u64::from(self.options.segment),
            false => 0,
        };
        self.spares_wanted() + more as usize
    }

    pub(super) fn next_number(&self) -> u32 {
        self.segments.last().map_or(1, |segment| segment.number + 1)
    }

    fn create_spare(&mut self, size: u32) -> Result<Spare<F::File>, Error> {
        let (name, file) = self.create_file()?;
        let mut spare = Spare {
            name,
            file,
            disk: 0,
        };
        match self.grow(&mut spare, size) {
            Ok(()) => Ok(spare),
            Err(error) => {
                self.remove_spare(&spare)?;
                Err(error)
            }
        }
    }

    fn remove_spare(&self, spare: &Spare<F::File>) -> Result<(), Error> {
        let removed = self.files.remove(&spare.name);
        removed.map_err(|error| Error::io("remove", &spare.name, error))
    }

    /// Creates a file with a name that no spare has had.
    fn create_file(&mut self) -> Result<(String, F::File), Error> {
        loop {
            self.spares_made += 1;
            let name = format!("new-{}{SUFFIX}", self.spares_made);
            match self.files.create(&name) {
                Ok(file) => return Ok((name, file)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &name, error)),
            }
        }
    }

    /// Makes a spare at least `size` bytes long.
    fn grow(&self, spare: &mut Spare<F::File>, size: u32) -> Result<(), Error> {
        let more = u64::from(size.saturating_sub(spare.disk));
        if more > 0 && self.disk() + more > self.options.limit {
            return Err(Error::Full(Arc::new(
                std::io::ErrorKind::QuotaExceeded.into(),
            )));
        }
        if more > 0 {
            let resized = spare.file.resize(size.into());
            resized.map_err(|error| Error::io("reserve room for", &spare.name, error))?;
            spare.disk = size;
        }
        Ok(())
    }

    /// Makes a spare the file of a segment, stable and under its name.
    fn make_segment(
        &mut self,
        spare: &mut Spare<F::File>,
        size: u32,
        header: Header,
    ) -> Result<(), Error> {
        self.grow(spare, size)?;
        let name = segment::name(header.number);
        let written = spare.file.write_at(&header.encode(), 0);
        written.map_err(|error| Error::io("write", &name, error))?;
        let synced = spare.file.sync();
        self.or_poison(&name, synced)?;
        let renamed = self.files.rename(&spare.name, &name);
        renamed.map_err(|error| Error::io("rename", &name, error))?;
        self.sync_directory()
    }

    /// Where the log ends.
    pub(super) fn end(&self) -> Position {
        self.segments
            .last()
            .map_or(Position::default(), Segment::end)
    }
}
