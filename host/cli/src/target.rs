//! The `HANDLER` argument: a component's file, or a crate to build.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::config::Subject;
use super::exit::{Exit, Failure, OrExit};
use super::output::note;
use durawasm_build::{
    self as build, BuildError, BuildEvent, BuildOptions, BuiltComponent, CargoOutput, Profile,
};
use durawasm_core::orchestrator::{Function, Functions, ScriptedFunction, bare_name};
use durawasm_sandbox::{CompileError, SandboxError};

/// The build options for a handler that is a crate.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CrateArgs {
    /// Build the crate without optimizations: quicker to build, slower to run
    #[arg(long)]
    pub(super) debug: bool,
    /// The package to build, where the crate's folder holds several
    #[arg(long, value_name = "NAME")]
    pub(super) package: Option<String>,
    /// Cargo features to turn on, separated by commas
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    pub(super) features: Vec<String>,
}

impl CrateArgs {
    pub(super) fn options(&self, path: &Path) -> BuildOptions {
        BuildOptions {
            package: self.package.clone(),
            profile: if self.debug { Profile::Debug } else { Profile::Release },
            features: self.features.clone(),
            ..BuildOptions::new(path)
        }
    }
}

/// Whether a crate may be built. That runs code of the crate outside of the sandbox: its toolchain file, build scripts and
/// macros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Building {
    /// It may.
    Allowed,
    /// It may not: the option forbids it.
    Forbidden,
    /// It may not, because the option that permits it is missing.
    NotRequested,
}

/// The option to run components only.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct NoBuild {
    /// Accept components only. Building a crate runs its build script, macros and toolchain file outside of the sandbox
    #[arg(long, conflicts_with_all = ["debug", "package", "features"])]
    no_build: bool,
}

impl NoBuild {
    pub(super) fn building(self) -> Building {
        if self.no_build { Building::Forbidden } else { Building::Allowed }
    }
}

/// The path and the bytes of the component. A crate is built first, if that is allowed.
pub(super) fn component(
    handler: &Path,
    args: &CrateArgs,
    building: Building,
    quiet: bool,
) -> Result<(PathBuf, Vec<u8>), Failure> {
    let manifest = handler.file_name().is_some_and(|name| name == "Cargo.toml");
    if handler.is_dir() || manifest {
        let path = handler.display();
        let refused = match building {
            Building::Allowed => None,
            Building::Forbidden => Some(anyhow!(
                "{path} is a crate, and --no-build permits components only; name the file of a component"
            )),
            Building::NotRequested => Some(anyhow!(
                "{path} is a crate, and building it runs its build script, macros and toolchain file outside of the \
                 sandbox; use --build if you trust it, or name the file of a component"
            )),
        };
        if let Some(error) = refused {
            return Err(Failure { exit: Exit::Usage, error });
        }
        // The build has already inspected the component.
        let path = build_crate(handler, args, quiet).or_exit(Exit::Build)?.path;
        let bytes = std::fs::read(&path).or_exit(Exit::Host)?;
        return Ok((path, bytes));
    }
    let path = if handler.exists() {
        if args.debug || args.package.is_some() || !args.features.is_empty() {
            let error =
                anyhow!("--debug, --package and --features are for crates; {} is a file", handler.display());
            return Err(Failure { exit: Exit::Usage, error });
        }
        handler.to_owned()
    } else {
        let error = anyhow!("there is no {}; name a component's file or a crate's folder", handler.display());
        return Err(Failure { exit: Exit::Usage, error });
    };
    let bytes = build::read_component(&path).or_exit(Exit::Component)?;
    Ok((path, bytes))
}

/// The exit code of a component that cannot be loaded.
pub(super) fn exit_of(error: &SandboxError) -> Exit {
    match error {
        SandboxError::Engine(_) => Exit::Host,
        _ => Exit::Component,
    }
}

/// An error with the option that changes the limit.
pub(super) fn with_advice(error: &SandboxError) -> String {
    match error {
        SandboxError::Limit(CompileError::Time { .. }) => format!("{error} (--compile-timeout)"),
        SandboxError::Limit(CompileError::Memory { .. }) => format!("{error} (--compile-memory)"),
        _ => error.to_string(),
    }
}

/// Refuses `--function` beside a function of `durawasm.toml`, which is one already.
pub(super) fn only_function(subject: &Subject, function: Option<&str>) -> Result<(), Failure> {
    if let (Some(name), Some(other)) = (subject.function(), function) {
        let error = anyhow!("{name} is a function already: --function {other} is for a component or a crate");
        return Err(Failure { exit: Exit::Usage, error });
    }
    Ok(())
}

/// The function of this name, or the only one.
pub(super) fn chosen<'a>(name: Option<&str>, functions: &'a Functions) -> Result<&'a Function, Failure> {
    if let Some(name) = name {
        return functions.find(name).or_exit(Exit::Usage);
    }
    let several =
        || anyhow!("the component has several functions; choose one with --function: {}", functions.names());
    functions.only().ok_or_else(several).or_exit(Exit::Usage)
}

/// Builds a crate. If `quiet`, the output of cargo is shown only if the build fails.
fn build_crate(path: &Path, args: &CrateArgs, quiet: bool) -> Result<BuiltComponent, BuildError> {
    let mut options = args.options(path);
    if !quiet {
        return build::build(&options, &mut |event| note(event));
    }
    options.cargo_output = CargoOutput::Forward;
    let mut words = Vec::new();
    let built = build::build(&options, &mut |event| {
        if let BuildEvent::CargoLine(line) = event {
            words.push(line.to_owned());
        }
    });
    if built.is_err() {
        for line in words {
            note(line);
        }
    }
    built
}

/// Refuses two `--function-answer`s for one function.
pub(super) fn one_end_each(stand_ins: &[(String, ScriptedFunction)]) -> Result<(), Failure> {
    for (index, (name, _)) in stand_ins.iter().enumerate() {
        if stand_ins.iter().skip(index + 1).any(|(other, _)| bare_name(other) == bare_name(name)) {
            let error = anyhow!("--function-answer says twice how {name} ends; a function has one end");
            return Err(Failure { exit: Exit::Usage, error });
        }
    }
    Ok(())
}
