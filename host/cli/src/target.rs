//! The `HANDLER` argument: a component's file, or a crate to build.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::config::Subject;
use super::exit::{Exit, Failure, OrExit};
use super::output::note;
use durawasm_build::{
    self as build, BuildError, BuildEvent, BuildOptions, BuiltComponent, Cancel, CargoOutput, Profile,
    Sources,
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
    Fetch { args: args.clone(), building, quiet, cancel: Cancel::default() }.component(handler)
}

/// How components are fetched.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) args: CrateArgs,
    pub(super) building: Building,
    /// Whether the output of cargo is shown only if a build fails.
    pub(super) quiet: bool,
    /// Ends a build.
    pub(super) cancel: Cancel,
}

impl Fetch {
    /// The path and the bytes of the component. A crate is built first, if that is allowed.
    pub(super) fn component(&self, handler: &Path) -> Result<(PathBuf, Vec<u8>), Failure> {
        if self.is_crate(handler)? {
            // The build has already inspected the component.
            let path = self.build(handler).or_exit(Exit::Build)?.path;
            let bytes = std::fs::read(&path).or_exit(Exit::Host)?;
            return Ok((path, bytes));
        }
        let usage = |error| Failure { exit: Exit::Usage, error };
        let path = handler.display();
        if !handler.exists() {
            return Err(usage(anyhow!("there is no {path}; name a component's file or a crate's folder")));
        }
        let CrateArgs { debug, package, features } = &self.args;
        if *debug || package.is_some() || !features.is_empty() {
            let error = anyhow!("--debug, --package and --features are for crates; {path} is a file");
            return Err(usage(error));
        }
        let bytes = build::read_component(handler).or_exit(Exit::Component)?;
        Ok((handler.to_owned(), bytes))
    }

    /// Whether this is a crate, which may be built, and not a component's file.
    ///
    /// # Errors
    /// When it is a crate that may not be built.
    pub(super) fn is_crate(&self, handler: &Path) -> Result<bool, Failure> {
        let manifest = handler.file_name().is_some_and(|name| name == "Cargo.toml");
        if !handler.is_dir() && !manifest {
            return Ok(false);
        }
        let path = handler.display();
        let error = match self.building {
            Building::Allowed => return Ok(true),
            Building::Forbidden => anyhow!(
                "{path} is a crate, and --no-build permits components only; name the file of a component"
            ),
            Building::NotRequested => anyhow!(
                "{path} is a crate, and building it runs its build script, macros and toolchain file outside of the \
                 sandbox; use --build if you trust it, or name the file of a component"
            ),
        };
        Err(Failure { exit: Exit::Usage, error })
    }

    /// Where the sources of a crate are.
    pub(super) fn sources(&self, path: &Path) -> Result<Sources, Failure> {
        build::find_sources(&self.args.options(path)).or_exit(Exit::Build)
    }

    /// Builds a crate.
    fn build(&self, path: &Path) -> Result<BuiltComponent, BuildError> {
        let mut options = self.args.options(path);
        if !self.quiet {
            return build::build_until(&options, &self.cancel, &mut |event| note(event));
        }
        options.cargo_output = CargoOutput::Forward;
        let mut words = Vec::new();
        let built = build::build_until(&options, &self.cancel, &mut |event| {
            if let BuildEvent::CargoLine(line) = event {
                words.push(line.to_owned());
            }
        });
        if built.is_err() && !self.cancel.is_cancelled() {
            for line in words {
                note(line);
            }
        }
        built
    }
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
