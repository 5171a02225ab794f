//! [`Program`]: the post-renderer a person names, the only program that `aks-airflow` ever starts. It
//! gets the manifest on its input and answers on its output, as under Helm 3.

use std::error::Error;
use std::io::Write as _;
use std::process::{Command, Stdio};

use helm_chart::manifest::PostRenderer;

/// A program and its arguments; a name without `/` is looked for in `PATH`.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a [String],
}

impl PostRenderer for Program<'_> {
    fn post_render(&self, manifest: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
        let name = self.name;
        let mut child = Command::new(name)
            .args(self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let mut input = child.stdin.take();
        // Written beside the reading: a program may answer before it has read everything.
        let output = std::thread::scope(|scope| {
            scope.spawn(move || {
                // One that does not read to the end says so by its exit, if at all.
                let _ = input
                    .as_mut()
                    .map(|input| input.write_all(manifest.as_bytes()));
            });
            child.wait_with_output()
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let why = format!(
                "error while running command {name}. error output:\n{said}: {}",
                output.status
            );
            return Err(why.into());
        }
        Ok(String::from_utf8(output.stdout)
            .map_err(|error| format!("the output of {name} is no text: {error}"))?)
    }
}
