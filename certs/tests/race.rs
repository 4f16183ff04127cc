//! Several processes start at once in the same empty directory: all must end up with one certificate.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::print_stdout, reason = "the child answers its parent over standard output")]

use std::{
    collections::BTreeSet,
    env, fs,
    io::{Read, Write, stdin},
    path::Path,
    process::{Child, Command, Stdio},
};

use certs::{CertificateSettings, CertificateStore, hash_to_hex};

const PROCESSES: usize = 8;

fn main() {
    match env::args().nth(1).as_deref() {
        Some("child") => child(Path::new(&env::args().nth(2).unwrap())),
        _ => parent(),
    }
}

/// Waits for the starting signal, loads, prints the hash.
fn child(directory: &Path) {
    println!("ready");
    stdin().read_exact(&mut [0]).unwrap();
    let settings = CertificateSettings { directory: Some(directory.to_owned()), ..Default::default() };
    let (store, _) = CertificateStore::load(&settings).unwrap();
    let hashes: Vec<String> = store.hashes().iter().map(hash_to_hex).collect();
    println!("{}", hashes.join(" "));
}

fn parent() {
    let directory = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start(directory.path())).collect();
    for child in &mut children {
        child.stdout.as_mut().unwrap().read_exact(&mut [0; "ready\n".len()]).unwrap();
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }
    let hashes: BTreeSet<String> = children.into_iter().map(result).collect();
    assert_eq!(hashes.len(), 1, "{PROCESSES} processes disagree: {hashes:?}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no file is left behind");
}

fn start(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .arg("child")
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn result(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
