//! A disk in memory that loses, tears and reorders what was not made stable, and fails on request.
//!
//! Whatever is random comes from a seed. Every operation has a number; [`Disk::crash_at`] lets the
//! power fail at one of them: it is carried out in part, and all that follow fail, until
//! [`Disk::reboot`] shows what the disk has kept.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{File, Files};

/// What is written as a whole or not at all.
const SECTOR: usize = 512;

/// A simulated disk with one directory; clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

/// The directory of a [`Disk`], as one process sees it.
#[derive(Debug)]
pub struct SimulatedFiles {
    disk: Disk,
    boot: u64,
    holds_lock: bool,
}

/// An open file on a [`Disk`].
#[derive(Debug)]
pub struct SimulatedFile {
    disk: Disk,
    boot: u64,
    inode: usize,
}

#[derive(Debug)]
struct State {
    seed: u64,
    /// How often it was started.
    boot: u64,
    operations: u64,
    crash_at: Option<u64>,
    fail_sync_at: Option<u64>,
    /// Bytes of all files together.
    capacity: usize,
    is_down: bool,
    is_locked: bool,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    stable_names: BTreeMap<String, usize>,
    /// What was done to names since the directory was made stable.
    name_changes: Vec<NameChange>,
    quarantined: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    content: Vec<u8>,
    stable: Vec<u8>,
    /// What was done since it was made stable.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Disk(Arc::new(Mutex::new(State {
            seed,
            boot: 0,
            operations: 0,
            crash_at: None,
            fail_sync_at: None,
            capacity: usize::MAX,
            is_down: false,
            is_locked: false,
            inodes: Vec::new(),
            names: BTreeMap::new(),
            stable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            quarantined: Vec::new(),
        })))
    }

    /// Its directory, for a process that starts now.
    pub fn files(&self) -> SimulatedFiles {
        SimulatedFiles {
            disk: self.clone(),
            boot: self.state().boot,
            holds_lock: false,
        }
    }

    /// Whether the power has failed.
    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The power fails at the operation with this number.
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// The first sync from the operation with this number on fails, and loses what it was about.
    pub fn fail_sync_at(&self, operation: u64) {
        self.state().fail_sync_at = Some(operation);
    }

    /// How many bytes there is room for.
    pub fn set_capacity(&self, bytes: usize) {
        self.state().capacity = bytes;
    }

    /// How many bytes all files have.
    pub fn used(&self) -> usize {
        self.state().used()
    }

    /// The power comes back. Of what was not stable, some is there, some is not, some in part.
    pub fn reboot(&self) {
        let mut state = self.state();
        state.boot += 1;
        state.is_down = false;
        state.is_locked = false;
        state.crash_at = None;
        state.fail_sync_at = None;
        state.lose_names();
        state.lose_content();
    }

    /// The process ends, and the system goes on: nothing is lost.
    pub fn restart(&self) {
        let mut state = self.state();
        state.boot += 1;
        state.is_locked = false;
    }

    /// Flips a bit of a file, for good.
    pub fn flip(&self, name: &str, at: usize, bit: u8) {
        let mut state = self.state();
        let inode = state.names[name];
        state.inodes[inode].content[at] ^= 1 << bit;
        state.inodes[inode].stable[at] ^= 1 << bit;
    }

    /// Writes over a part of a file, for good.
    pub fn overwrite(&self, name: &str, at: usize, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.names[name];
        write(&mut state.inodes[inode].content, at, bytes);
        write(&mut state.inodes[inode].stable, at, bytes);
    }

    /// Removes a file, for good.
    pub fn lose(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.stable_names.remove(name);
    }

    /// The names and contents of all files.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let names = state.names.iter();
        let content = |inode: usize| state.inodes[inode].content.clone();
        names
            .map(|(name, &inode)| (name.clone(), content(inode)))
            .collect()
    }

    /// The names of files of which a copy was put aside.
    pub fn quarantined(&self) -> Vec<String> {
        self.state().quarantined.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the disk panics")
    }

    /// Counts an operation that is not merely reading; gives whether the power fails in it.
    fn operate(&self, boot: u64) -> io::Result<(MutexGuard<'_, State>, bool)> {
        let mut state = self.state();
        if state.is_down || state.boot != boot {
            return Err(io::Error::other("the power is off"));
        }
        state.operations += 1;
        let fails = state.crash_at.is_some_and(|at| state.operations >= at);
        state.is_down |= fails;
        Ok((state, fails))
    }
}

impl State {
    /// The next random number below `bound`.
    fn random(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    fn used(&self) -> usize {
        self.names
            .values()
            .map(|&inode| self.inodes[inode].content.len())
            .sum()
    }

    fn check_room(&self, more: usize) -> io::Result<()> {
        if more > 0 && self.used() + more > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync_fails(&mut self) -> bool {
        let fails = self.fail_sync_at.is_some_and(|at| self.operations >= at);
        if fails {
            self.fail_sync_at = None;
        }
        fails
    }

    fn change_name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.name_changes.push(change);
    }

    /// Of the changes to names, the first few are kept, in their order.
    fn lose_names(&mut self) {
        let changes = std::mem::take(&mut self.name_changes);
        let kept = self.random(changes.len() + 1);
        for change in &changes[..kept] {
            apply_name(&mut self.stable_names, change);
        }
        self.names = self.stable_names.clone();
    }

    /// Of the changes to files, any are kept, and of writes any sectors.
    fn lose_content(&mut self) {
        for number in 0..self.inodes.len() {
            let changes = std::mem::take(&mut self.inodes[number].changes);
            let mut content = std::mem::take(&mut self.inodes[number].stable);
            for change in changes {
                match (change, self.random(3)) {
                    (_, 0) => {}
                    (Change::Write { at, bytes }, 1) => {
                        let lost = |state: &mut State| state.random(3) == 0;
                        self.write_some(&mut content, at, &bytes, lost);
                    }
                    (change, _) => change.apply(&mut content),
                }
            }
            self.inodes[number].content.clone_from(&content);
            self.inodes[number].stable = content;
        }
    }

    /// Writes the sectors that are not lost.
    fn write_some(
        &mut self,
        content: &mut Vec<u8>,
        mut at: usize,
        mut bytes: &[u8],
        lost: impl Fn(&mut State) -> bool,
    ) {
        while !bytes.is_empty() {
            let length = (SECTOR - at % SECTOR).min(bytes.len());
            if !lost(self) {
                write(content, at, &bytes[..length]);
            }
            at += length;
            bytes = &bytes[length..];
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => write(content, *at, bytes),
            Change::Resize(length) => content.resize(*length, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Create(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

fn power() -> io::Error {
    io::Error::other("the power fails")
}

impl SimulatedFiles {
    fn file(&self, inode: usize) -> SimulatedFile {
        SimulatedFile {
            disk: self.disk.clone(),
            boot: self.boot,
            inode,
        }
    }

    /// Changes names, unless the power fails.
    fn change(&self, change: NameChange) -> io::Result<()> {
        let (mut state, fails) = self.disk.operate(self.boot)?;
        if fails && state.random(2) == 0 {
            return Err(power());
        }
        state.change_name(change);
        if fails { Err(power()) } else { Ok(()) }
    }
}

impl Drop for SimulatedFiles {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if self.holds_lock && state.boot == self.boot {
            state.is_locked = false;
        }
    }
}

impl Files for SimulatedFiles {
    type File = SimulatedFile;

    fn lock(&mut self) -> io::Result<bool> {
        let (mut state, _) = self.disk.operate(self.boot)?;
        let is_free = !std::mem::replace(&mut state.is_locked, true);
        drop(state);
        self.holds_lock |= is_free;
        Ok(is_free)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (state, _) = self.disk.operate(self.boot)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.disk.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        drop(state);
        self.change(NameChange::Create(name.to_owned(), inode))?;
        Ok(self.file(inode))
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let (state, _) = self.disk.operate(self.boot)?;
        let inode = state.names.get(name).copied();
        drop(state);
        Ok(self.file(inode.ok_or(io::ErrorKind::NotFound)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(NameChange::Remove(name.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fails) = self.disk.operate(self.boot)?;
        if fails {
            return Err(power());
        }
        if state.sync_fails() {
            state.lose_names();
            return Err(io::Error::other("the disk fails"));
        }
        state.stable_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }

    fn quarantine(&self, name: &str) -> io::Result<()> {
        let (mut state, _) = self.disk.operate(self.boot)?;
        state.quarantined.push(name.to_owned());
        Ok(())
    }
}

impl SimulatedFile {
    /// Carries out a change, or some of it if the power fails.
    fn change(&self, change: Change) -> io::Result<()> {
        let (mut state, fails) = self.disk.operate(self.boot)?;
        if fails && state.random(2) == 0 {
            return Err(power());
        }
        let length = state.inodes[self.inode].content.len();
        let new_length = match &change {
            Change::Write { at, bytes } => length.max(at + bytes.len()),
            Change::Resize(length) => *length,
        };
        state.check_room(new_length.saturating_sub(length))?;
        let inode = &mut state.inodes[self.inode];
        change.apply(&mut inode.content);
        inode.changes.push(change);
        if fails { Err(power()) } else { Ok(()) }
    }
}

impl File for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let (state, _) = self.disk.operate(self.boot)?;
        Ok(state.inodes[self.inode].content.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        if state.is_down || state.boot != self.boot {
            return Err(power());
        }
        let content = &state.inodes[self.inode].content;
        let from = content.len().min(offset as usize);
        let to = content.len().min(from + into.len());
        into[..to - from].copy_from_slice(&content[from..to]);
        Ok(to - from)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write {
            at: offset as usize,
            bytes: bytes.to_vec(),
        })
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fails) = self.disk.operate(self.boot)?;
        if fails {
            return Err(power());
        }
        let sync_fails = state.sync_fails();
        let inode = &mut state.inodes[self.inode];
        if sync_fails {
            // The system forgets what it could not write, and says so once.
            inode.content.clone_from(&inode.stable);
            inode.changes.clear();
            return Err(io::Error::other("the disk fails"));
        }
        inode.stable.clone_from(&inode.content);
        inode.changes.clear();
        Ok(())
    }

    fn resize(&self, length: u64) -> io::Result<()> {
        self.change(Change::Resize(length as usize))
    }
}
