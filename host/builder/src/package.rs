//! Selection of the handler's package in a workspace.
//!
//! A handler is a package whose library is a `cdylib`. If a package's manifest is given, that package is selected; if a
//! workspace's manifest is given, its only handler. Otherwise the user must name the package.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{BuildError, environment::Environment, sources::Sources, toolchain::Toolchain};

/// The package to build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// Cargo's package id, which is unique, unlike the name.
    pub(super) id: String,
    pub(super) name: String,
    /// The name of its library.
    pub(super) library: String,
    pub(super) manifest: PathBuf,
    /// The workspace's target folder.
    pub(super) target_directory: PathBuf,
}

/// The part of the output of `cargo metadata` that is used (format version 1): the packages of a workspace.
#[derive(Deserialize)]
pub(super) struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    /// `dev`, `build`, or nothing.
    kind: Option<String>,
    /// The folder, if the dependency is stated by its path.
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    kind: Vec<String>,
    name: String,
}

impl MetadataPackage {
    /// The name of its `cdylib` library, if it has one.
    fn library(&self) -> Option<&str> {
        let mut targets = self.targets.iter();
        let library = targets.find(|target| target.kind.iter().any(|kind| kind == "cdylib"));
        library.map(|target| &*target.name)
    }

    fn is_handler(&self) -> bool {
        self.library().is_some()
    }
}

/// The manifest at `path`, which is a manifest or a folder with one. The result is absolute and without symbolic links,
/// as cargo reports it.
pub(super) fn manifest_at(path: &Path) -> Result<PathBuf, BuildError> {
    let no_crate = |reason: &str| BuildError::NoCrate { path: path.to_owned(), reason: reason.to_owned() };
    let absolute = path.canonicalize().map_err(|error| no_crate(&error.to_string()))?;
    if absolute.is_dir() {
        let manifest = absolute.join("Cargo.toml");
        if manifest.is_file() { Ok(manifest) } else { Err(no_crate("the folder has no Cargo.toml")) }
    } else if absolute.file_name().is_some_and(|name| name == "Cargo.toml") {
        Ok(absolute)
    } else {
        Err(no_crate("it is neither a folder nor a Cargo.toml"))
    }
}

/// Runs `cargo metadata` for the workspace of `manifest`.
pub(super) fn metadata(
    environment: &Environment,
    toolchain: &Toolchain,
    manifest: &Path,
) -> Result<Metadata, BuildError> {
    let dir = manifest.parent().unwrap_or(manifest);
    let mut cargo = toolchain.cargo(environment, dir);
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"]).arg(manifest);
    let output =
        cargo.output().map_err(|source| BuildError::Start { program: "cargo".to_owned(), source })?;
    let unreadable = |reason: String| BuildError::Manifest { manifest: manifest.to_owned(), reason };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(unreadable(said.trim().trim_start_matches("error: ").to_owned()));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| unreadable(format!("the output of `cargo metadata` is not understood: {error}")))
}

/// Where the sources of a package are, by what its manifest and those of the workspace state.
pub(super) fn sources(metadata: &Metadata, package: &Package) -> Sources {
    let mut folders = BTreeSet::new();
    let mut open: Vec<PathBuf> = package.manifest.parent().map(Path::to_owned).into_iter().collect();
    while let Some(folder) = open.pop() {
        let mut members = metadata.packages.iter();
        let member = members.find(|member| member.manifest_path.parent() == Some(&*folder));
        if folders.insert(folder) {
            let needed = member.into_iter().flat_map(|member| &member.dependencies);
            let needed = needed.filter(|needed| needed.kind.as_deref() != Some("dev"));
            open.extend(needed.filter_map(|needed| needed.path.clone()));
        }
    }
    Sources {
        folders,
        manifest: metadata.workspace_root.join("Cargo.toml"),
        lock: metadata.workspace_root.join("Cargo.lock"),
        target_directory: metadata.target_directory.clone(),
    }
}

/// Selects the package to build: the one that is named, the one of the manifest, or the only handler.
pub(super) fn choose(
    metadata: &Metadata,
    manifest: &Path,
    wanted: Option<&str>,
) -> Result<Package, BuildError> {
    let names = |keep: &dyn Fn(&MetadataPackage) -> bool| -> Vec<String> {
        metadata.packages.iter().filter(|package| keep(package)).map(|package| package.name.clone()).collect()
    };
    let direct = metadata.packages.iter().find(|package| match wanted {
        Some(name) => package.name == name,
        None => package.manifest_path == manifest,
    });
    let chosen = match (direct, wanted) {
        (Some(package), _) => Some(package),
        (None, Some(name)) => {
            let (manifest, package) = (manifest.to_owned(), name.to_owned());
            return Err(BuildError::UnknownPackage { manifest, package, available: names(&|_| true) });
        }
        (None, None) => {
            let mut handlers = metadata.packages.iter().filter(|package| package.is_handler());
            let first = handlers.next();
            if handlers.next().is_some() {
                let packages = names(&MetadataPackage::is_handler);
                return Err(BuildError::SeveralPackages { manifest: manifest.to_owned(), packages });
            }
            first
        }
    };
    match chosen.and_then(|package| Some((package, package.library()?))) {
        Some((package, library)) => Ok(Package {
            id: package.id.clone(),
            name: package.name.clone(),
            library: library.to_owned(),
            manifest: package.manifest_path.clone(),
            target_directory: metadata.target_directory.clone(),
        }),
        None => Err(BuildError::NoHandler {
            manifest: chosen.map_or(manifest, |package| &package.manifest_path).to_owned(),
            others: names(&MetadataPackage::is_handler),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace in `/w` of packages in folders of their names.
    fn chosen(packages: &[(&str, &str)], manifest: &str, wanted: Option<&str>) -> Result<String, BuildError> {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, kind)| {
                serde_json::json!({
                    "id": format!("path+file:///w/{name}#0.1.0"), "name": name, "version": "0.1.0",
                    "manifest_path": format!("/w/{name}/Cargo.toml"),
                    "targets": [{"kind": [kind], "crate_types": [kind], "name": name}, {"kind": ["test"], "name": "t"}],
                    "dependencies": [],
                })
            })
            .collect();
        let metadata = serde_json::json!({
            "packages": packages, "target_directory": "/w/target", "workspace_root": "/w", "version": 1,
        });
        choose(&serde_json::from_value(metadata).unwrap(), Path::new(manifest), wanted)
            .map(|package| package.name)
    }

    #[test]
    fn the_given_manifest_or_name_decides() {
        let packages = [("a", "cdylib"), ("b", "cdylib")];
        assert_eq!(chosen(&packages, "/w/b/Cargo.toml", None).unwrap(), "b");
        assert_eq!(chosen(&packages, "/w/b/Cargo.toml", Some("a")).unwrap(), "a");
        assert_eq!(chosen(&packages, "/w/Cargo.toml", Some("b")).unwrap(), "b");
    }

    #[test]
    fn a_workspace_stands_for_its_only_handler() {
        assert_eq!(chosen(&[("a", "lib"), ("b", "cdylib")], "/w/Cargo.toml", None).unwrap(), "b");
    }

    #[test]
    fn what_is_unclear_is_explained() {
        let said =
            |packages: &[_], manifest, wanted| chosen(packages, manifest, wanted).unwrap_err().to_string();
        let two = [("a", "cdylib"), ("b", "cdylib"), ("c", "lib")];
        assert!(said(&two, "/w/Cargo.toml", None).contains("a, b; choose one with --package NAME"));
        assert!(said(&two, "/w/c/Cargo.toml", None).contains("/w/c/Cargo.toml has no `cdylib`"));
        assert!(said(&two, "/w/c/Cargo.toml", None).contains("or choose --package a, b"));
        assert!(said(&two, "/w/Cargo.toml", Some("d")).contains("no package \"d\"; it has a, b, c"));
        assert!(said(&[], "/w/Cargo.toml", None).contains("no `cdylib`"));
    }

    #[test]
    fn sources_are_those_of_the_package_and_of_what_it_needs_by_path() {
        let package = |name: &str, needed: serde_json::Value| {
            serde_json::json!({
                "id": name, "name": name, "manifest_path": format!("/w/{name}/Cargo.toml"),
                "targets": [{"kind": ["cdylib"], "name": name}], "dependencies": needed,
            })
        };
        let handler = package(
            "handler",
            serde_json::json!([
                {"name": "shared", "kind": null, "path": "/w/shared"},
                {"name": "made", "kind": "build", "path": "/elsewhere/made"},
                {"name": "tests", "kind": "dev", "path": "/w/tests"},
                {"name": "serde", "kind": null},
            ]),
        );
        let shared =
            package("shared", serde_json::json!([{"name": "h", "kind": null, "path": "/w/handler"}]));
        let packages = [handler, shared, package("tests", serde_json::json!([]))];
        let metadata = serde_json::json!({
            "packages": packages, "target_directory": "/w/target", "workspace_root": "/w", "version": 1,
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let chosen = choose(&metadata, Path::new("/w/handler/Cargo.toml"), None).unwrap();
        let found = sources(&metadata, &chosen);
        let folders = ["/elsewhere/made", "/w/handler", "/w/shared"].map(PathBuf::from);
        assert_eq!(found.folders, BTreeSet::from(folders));
        assert_eq!((found.lock, found.manifest), ("/w/Cargo.lock".into(), "/w/Cargo.toml".into()));
    }

    #[test]
    fn a_path_without_a_manifest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let said = |path: &Path| manifest_at(path).unwrap_err().to_string();
        assert!(said(dir.path()).contains("the folder has no Cargo.toml"));
        assert!(said(&dir.path().join("nowhere")).contains("there is no handler crate at"));
        let file = dir.path().join("handler.wasm");
        std::fs::write(&file, "").unwrap();
        assert!(said(&file).contains("neither a folder nor a Cargo.toml"));
    }
}
