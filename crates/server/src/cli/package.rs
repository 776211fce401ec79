//! What a template names of the folder around it: functions' and layers' code, zipped as `aws cloudformation package` does.

use super::client::CliError;
use millrace_stack::Template;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What Python leaves beside its code changes with every run, and nobody needs it.
const LEFT_OUT: [&str; 2] = ["__pycache__", ".git"];
/// Lambda takes 250 MB unzipped.
const BYTES_MAX: u64 = 262_144_000;

/// The packages of a template that lies in `folder`, in base64, by the paths that it names them with. A template that cannot
/// be read has none: whoever deploys it says why.
pub fn packages(file: &str, text: &str, folder: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let Ok(template) = Template::parse(file, text) else { return Ok(BTreeMap::new()) };
    let package = |path: String| {
        let zip = zip_of(&folder.join(&path)).map_err(|reason| {
            CliError::Input(format!(
                "{file}: the code at '{path}' (in {}) cannot be packaged: {reason}",
                folder.display()
            ))
        })?;
        Ok((path, base64_simd::STANDARD.encode_to_string(zip)))
    };
    template.local_paths().into_iter().map(package).collect()
}

/// A zip as it is; a folder or another file zipped, the same bytes for the same content.
#[allow(clippy::disallowed_methods, reason = "the user's own files, named in the template")]
fn zip_of(path: &Path) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let is_zip = path.extension().is_some_and(|extension| extension == "zip" || extension == "jar");
    if path.is_file() && is_zip {
        return fs::read(path).map_err(text);
    }
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, &mut files).map_err(text)?;
    } else {
        files.push(path.to_owned());
    }
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    if files.is_empty() {
        return Err("the folder is empty".to_owned());
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut bytes = 0;
    for file in files {
        let metadata = fs::metadata(&file).map_err(text)?;
        bytes += metadata.len();
        if bytes > BYTES_MAX {
            return Err(format!("it has more than {BYTES_MAX} bytes, which is all that Lambda takes"));
        }
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
        let options = SimpleFileOptions::default().unix_permissions(metadata.permissions().mode() & 0o777);
        writer.start_file(name, options).map_err(|error| error.to_string())?;
        writer.write_all(&fs::read(&file).map_err(text)?).map_err(text)?;
    }
    let zip = writer.finish().map_err(|error| error.to_string())?;
    Ok(zip.into_inner())
}

/// All files below a folder, in order of their names, so that the same content makes the same zip.
#[allow(clippy::disallowed_methods, reason = "the user's own files, named in the template")]
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.is_dir() {
            collect(&entry, files)?;
        } else {
            files.push(entry);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write real files")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_zipped_the_same_way_every_time() {
        let folder = std::env::temp_dir().join(format!("millrace-package-{}", std::process::id()));
        fs::create_dir_all(folder.join("src/deep/__pycache__")).unwrap();
        fs::write(folder.join("src/app.py"), "pass").unwrap();
        fs::write(folder.join("src/deep/x.py"), "pass").unwrap();
        fs::write(folder.join("src/deep/__pycache__/x.pyc"), "1").unwrap();
        let template = "Resources:\n  F:\n    Type: AWS::Lambda::Function\n    Properties: {Code: src, Role: r}\n";
        let once = packages("t.yaml", template, &folder).unwrap();
        fs::write(folder.join("src/deep/__pycache__/x.pyc"), "2").unwrap();
        assert_eq!(once, packages("t.yaml", template, &folder).unwrap());
        let zip = base64_simd::STANDARD.decode_to_vec(&once["src"]).unwrap();
        let archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(archive.file_names().collect::<Vec<_>>(), ["app.py", "deep/x.py"]);
        fs::remove_dir_all(folder.join("src")).unwrap();
        assert!(packages("t.yaml", template, &folder).unwrap_err().to_string().contains("'src'"));
        fs::remove_dir_all(folder).unwrap();
    }
}
