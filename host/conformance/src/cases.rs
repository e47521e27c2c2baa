//! The cases of a folder.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Case, CaseId, ConformanceError, yaml};

/// The result of reading a folder.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    /// The cases, in the order of their ids.
    pub cases: Vec<Case>,
    /// The files that are not valid cases.
    pub unreadable: Vec<UnreadableCase>,
}

/// A file that is not a valid case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableCase {
    /// The id that the case would have.
    pub id: CaseId,
    /// The path of the file.
    pub path: PathBuf,
    /// Why the file is not valid.
    pub reason: String,
}

impl Cases {
    /// Reads all files below a folder whose names end with `.yaml`, `.yml` or `.json`, or a single file.
    ///
    /// # Errors
    /// Returns an error if the folder or a file cannot be read, there is no such file, or two files have the same id.
    pub fn load(folder: &Path) -> Result<Self, ConformanceError> {
        let mut files = BTreeMap::new();
        let found = if folder.is_file() {
            vec![(folder.to_owned(), String::new())]
        } else {
            let mut found = Vec::new();
            let read = |path: PathBuf, source| ConformanceError::Read { path, source };
            find(folder, "", &mut found).map_err(|(path, source)| read(path, source))?;
            found
        };
        for (path, group) in found {
            let id = CaseId::new(path.file_stem().unwrap_or_default().to_string_lossy());
            if let Some((one, _)) = files.insert(id.clone(), (path.clone(), group)) {
                return Err(ConformanceError::SameId { id, one, other: path });
            }
        }
        if files.is_empty() {
            return Err(ConformanceError::NoCases(folder.to_owned()));
        }
        let mut cases = Self::default();
        for (id, (path, group)) in files {
            let text = yaml::text(&path);
            let text = text.map_err(|source| ConformanceError::Read { path: path.clone(), source })?;
            match Case::parse(id.clone(), group, &text) {
                Ok(case) => cases.cases.push(case),
                Err(reason) => cases.unreadable.push(UnreadableCase { id, path, reason }),
            }
        }
        Ok(cases)
    }

    /// Keeps only the cases with these ids.
    ///
    /// # Errors
    /// Returns an error if an id has no case.
    pub fn only(&mut self, ids: &[CaseId]) -> Result<(), ConformanceError> {
        let known = |id: &&CaseId| {
            self.cases.iter().any(|case| case.id == **id)
                || self.unreadable.iter().any(|case| case.id == **id)
        };
        if let Some(unknown) = ids.iter().find(|id| !known(id)) {
            return Err(ConformanceError::UnknownCase(unknown.clone()));
        }
        self.cases.retain(|case| ids.contains(&case.id));
        self.unreadable.retain(|case| ids.contains(&case.id));
        Ok(())
    }
}

/// Collects the case files below a folder, each with the path of its folder relative to the first folder.
fn find(folder: &Path, group: &str, found: &mut Vec<(PathBuf, String)>) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let below = if group.is_empty() { name.into_owned() } else { format!("{group}/{name}") };
            find(&path, &below, found)?;
        } else if path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
        {
            found.push((path, group.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn all_files_below_a_folder_in_the_order_of_their_ids() {
        let folder = folder(&[
            ("step/1-12.yaml", "description: b"),
            ("step/1-2.yml", "description: a"),
            ("deep/er/3-1.json", "{\"description\": \"c\"}"),
            ("2-1.yaml", "Input: ${X}"),
            ("README.md", "# no case"),
        ]);
        let mut cases = Cases::load(folder.path()).unwrap();
        let found: Vec<_> = cases.cases.iter().map(|case| (case.id.as_str(), case.group.as_str())).collect();
        assert_eq!(found, [("1-2", "step"), ("1-12", "step"), ("3-1", "deep/er")]);
        assert_eq!(cases.unreadable.len(), 1);
        assert_eq!(cases.unreadable[0].id.as_str(), "2-1");
        let unknown = cases.only(&[CaseId::new("1-12"), CaseId::new("9-9")]);
        assert!(matches!(unknown, Err(ConformanceError::UnknownCase(id)) if id.as_str() == "9-9"));
        cases.only(&[CaseId::new("1-12")]).unwrap();
        assert_eq!((cases.cases.len(), cases.unreadable.len()), (1, 0));
        let one = Cases::load(&folder.path().join("step/1-2.yml")).unwrap();
        assert_eq!((one.cases.len(), one.cases[0].group.as_str()), (1, ""));
    }

    #[test]
    fn no_folder_no_cases_and_doubles_are_errors() {
        assert!(matches!(Cases::load(Path::new("/no/such")), Err(ConformanceError::Read { .. })));
        assert!(matches!(Cases::load(folder(&[("a.txt", "")]).path()), Err(ConformanceError::NoCases(_))));
        let doubles = folder(&[("a/1-1.yaml", ""), ("b/1-1.json", "")]);
        assert!(matches!(Cases::load(doubles.path()), Err(ConformanceError::SameId { .. })));
    }
}
