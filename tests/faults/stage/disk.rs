//! A disk that is soon full: a small file system in memory. It takes root to mount one.
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Unmounted with the run.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Whether this machine lets us have one.
    pub(crate) fn can_be_had() -> bool {
        let place = tempfile::TempDir::new().unwrap();
        mount(place.path(), 1).inspect(|()| unmount(place.path())).is_ok()
    }

    /// In this folder, which is empty.
    pub(crate) fn at(folder: &Path, mebibytes: u32) -> Self {
        mount(folder, mebibytes).unwrap_or_else(|why| panic!("no small disk: {why}"));
        Self { at: folder.to_owned() }
    }

    /// Takes all that is left of it.
    pub(crate) fn fills(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        for part in [1 << 20, 4 << 10, 64] {
            let bytes = vec![0; part];
            while std::io::Write::write_all(&mut filler, &bytes).is_ok() {}
        }
    }

    pub(crate) fn has_room_again(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

fn mount(at: &Path, mebibytes: u32) -> Result<(), String> {
    let size = format!("size={mebibytes}m");
    let mut command = Command::new("mount");
    let said = command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
    let said = said.map_err(|error| error.to_string())?;
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    if said.status.success() { Ok(()) } else { Err(why) }
}

fn unmount(at: &Path) {
    // Lazily, since whoever has files there may still be ending.
    Command::new("umount").arg("-l").arg(at).status().ok();
}
