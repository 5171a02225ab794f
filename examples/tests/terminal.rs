//! What a terminal sees and what a file gets: colours are for terminals, stream by stream, and for
//! nobody who set `NO_COLOR`.
#![cfg(unix)]

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What a run printed to each stream.
struct Printed {
    stdout: String,
    stderr: String,
}

/// Where a stream goes.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Terminal,
    Pipe,
}

/// A terminal: the side a person looks at, and the side a program writes to.
fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let path = ptsname(&person, Vec::new()).unwrap();
    let program = File::options()
        .read(true)
        .write(true)
        .open(path.to_str().unwrap())
        .unwrap();
    (File::from(person), program)
}

/// Everything until the program's side is closed, which a terminal reports as an error.
fn read_all(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        bytes.extend(&part[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Runs the program with its streams so.
fn run(arguments: &[&str], stdout: To, stderr: To, environment: &[(&str, &str)]) -> Printed {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("terminal");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aks-airflow"));
    command
        .args(arguments)
        .current_dir(&folder)
        .env_clear()
        .env("HOME", &folder)
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let (person, program) = terminal();
    command.stdout(match stdout {
        To::Terminal => Stdio::from(program.try_clone().unwrap()),
        To::Pipe => Stdio::piped(),
    });
    command.stderr(match stderr {
        To::Terminal => Stdio::from(program.try_clone().unwrap()),
        To::Pipe => Stdio::piped(),
    });
    let mut child = command.spawn().unwrap();
    // From here on only the program itself has its side open.
    drop((command, program));
    let piped_error = child.stderr.take();
    let errors = std::thread::spawn(move || piped_error.map(read_all).unwrap_or_default());
    let piped_output = child.stdout.take();
    let output = std::thread::spawn(move || piped_output.map(read_all).unwrap_or_default());
    let seen = if To::Terminal == stdout || To::Terminal == stderr {
        read_all(person)
    } else {
        String::new()
    };
    child.wait().unwrap();
    let (piped_output, piped_error) = (output.join().unwrap(), errors.join().unwrap());
    let of = |to, piped| {
        if to == To::Terminal {
            seen.clone()
        } else {
            piped
        }
    };
    Printed {
        stdout: of(stdout, piped_output),
        stderr: of(stderr, piped_error),
    }
}

const ESCAPE: char = '\u{1b}';
const RESULT: [&str; 2] = ["doctor", "--sandbox"];
const ERROR: [&str; 3] = ["render", "r", "nowhere.tgz"];

fn result(stdout: To, stderr: To, flags: &[&str], environment: &[(&str, &str)]) -> String {
    let printed = run(&[&RESULT, flags].concat(), stdout, stderr, environment).stdout;
    assert!(printed.contains('✔'), "{printed}");
    printed
}

fn error(stderr: To, flags: &[&str], environment: &[(&str, &str)]) -> String {
    let printed = run(&[&ERROR, flags].concat(), To::Pipe, stderr, environment).stderr;
    assert!(printed.contains("aka::render"), "{printed}");
    printed
}

#[test]
fn colours_are_for_terminals_stream_by_stream() {
    let colours = |text: String| text.contains(ESCAPE);
    assert!(colours(result(To::Terminal, To::Pipe, &[], &[])));
    assert!(!colours(result(To::Pipe, To::Terminal, &[], &[])));
    assert!(colours(error(To::Terminal, &[], &[])));
    assert!(!colours(error(To::Pipe, &[], &[])));
}

#[test]
fn who_wants_none_gets_none_and_who_asks_gets_them_anywhere() {
    let colours = |text: String| text.contains(ESCAPE);
    let none = [("NO_COLOR", "1")];
    assert!(!colours(result(To::Terminal, To::Terminal, &[], &none)));
    assert!(!colours(error(To::Terminal, &[], &none)));
    let never = ["--color", "never"];
    assert!(!colours(result(To::Terminal, To::Terminal, &never, &[])));
    let always = ["--color", "always"];
    assert!(colours(result(To::Pipe, To::Pipe, &always, &none)));
    assert!(colours(error(To::Pipe, &always, &none)));
}

#[test]
fn a_document_for_programs_has_no_colours_even_on_a_terminal() {
    let arguments = ["doctor", "--sandbox", "--output", "json"];
    let printed = run(&arguments, To::Terminal, To::Terminal, &[]).stdout;
    assert!(!printed.contains(ESCAPE), "{printed}");
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(json["format"], 1);
}
