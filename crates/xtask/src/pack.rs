//! From `crates/browser` to the files that `web/` imports: cargo, wasm-bindgen, wasm-opt, then two checks.
//!
//! wasm-bindgen runs inside this program through its library, so that its version is the one in Cargo.lock and
//! nothing has to be installed. What goes where is read from `wasm-pack.toml`.

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;
use wasmparser::{Parser, Payload};

use crate::{
    root,
    shell::{cargo, output, program, run},
};

const SETTINGS: &str = "wasm-pack.toml";

/// `wasm-pack.toml`, where each field is explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    #[serde(rename = "crate")]
    package: String,
    target: String,
    profile: String,
    name: String,
    out_dir: PathBuf,
    wasm_opt: WasmOpt,
    imports: Imports,
    budget: Budget,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WasmOpt {
    package: String,
    flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Imports {
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    brotli: u64,
}

/// Bytes of the finished module, as it is and as servers send it.
#[derive(Deserialize)]
pub(crate) struct Sizes {
    raw: u64,
    gzip: u64,
    brotli: u64,
}

impl Sizes {
    /// Each way of shipping the module and its bytes.
    pub(crate) fn each(&self) -> [(&'static str, u64); 3] {
        [("raw", self.raw), ("gzip", self.gzip), ("brotli", self.brotli)]
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { raw, gzip, brotli } = self;
        write!(f, "wasm: {raw} bytes, {gzip} gzip, {brotli} brotli")
    }
}

/// Builds what is out of date and checks the result.
pub(crate) async fn build(force: bool) -> Result<Sizes> {
    let text = fs::read_to_string(root().join(SETTINGS)).context(SETTINGS)?;
    let settings: Settings = toml::from_str(&text).context(SETTINGS)?;
    let out = root().join(&settings.out_dir);
    let finished = out.join(format!("{}_bg.wasm", settings.name));

    let module = compile(&settings).await?;
    let _alone = alone()?;
    let lock = root().join(&settings.wasm_opt.package).join("package-lock.json");
    let inputs = [module.clone(), root().join(SETTINGS), root().join("Cargo.lock"), lock];
    if force || !is_newer(&finished, &inputs) {
        // Written last, so that a build that stopped half way is done again.
        let _ = fs::remove_file(&finished);
        bind(&settings, &module, &out)?;
        optimise(&settings, &out).await?;
    }
    check_imports(&settings, &finished)?;
    let sizes = measure(&finished).await?;
    ensure!(
        sizes.brotli <= settings.budget.brotli,
        "{sizes}; the budget is {} brotli: find what grew, or raise `budget` in {SETTINGS}",
        settings.budget.brotli
    );
    Ok(sizes)
}

/// Two builds at once would write the same files: the second waits until the first lets go of the lock.
pub(crate) fn alone() -> Result<File> {
    let path = root().join("target/web.lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
    Ok(file)
}

/// Runs cargo, which knows itself what has changed, and gives the path of the module.
async fn compile(settings: &Settings) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .args(["build", "--lib", "--package", &settings.package, "--target", &settings.target])
        .args(["--profile", &settings.profile, "--message-format=json-render-diagnostics"])
        .stdout(Stdio::piped());
    // Any of these would replace the flags that .cargo/config.toml gives this target.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        command.env_remove(name);
    }
    let messages = output(&mut command).await?;
    artifacts(&messages)
        .into_iter()
        .rfind(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .with_context(|| format!("crate {} gives no wasm: it must be a cdylib", settings.package))
}

/// The files that cargo's JSON messages name.
fn artifacts(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("filenames").and_then(Value::as_array).cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .collect()
}

fn is_newer(finished: &Path, inputs: &[PathBuf]) -> bool {
    let time = |file: &Path| fs::metadata(file).and_then(|meta| meta.modified()).ok();
    let Some(made) = time(finished) else { return false };
    inputs.iter().all(|input| time(input).unwrap_or(SystemTime::UNIX_EPOCH) < made)
}

/// Makes the JavaScript glue and the module that fits it.
fn bind(settings: &Settings, module: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name(&settings.name)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true);
    let mut made = bindgen.generate_output().context("wasm-bindgen refuses the module")?;
    made.emit(out).context("wasm-bindgen could not write its output")?;
    let bound = out.join(format!("{}_bg.wasm", settings.name));
    rename(&bound, &unoptimised(&bound))
}

async fn optimise(settings: &Settings, out: &Path) -> Result<()> {
    let finished = out.join(format!("{}_bg.wasm", settings.name));
    let bound = unoptimised(&finished);
    let half = finished.with_extension("half");
    let tool = root().join(&settings.wasm_opt.package).join("node_modules/binaryen/bin/wasm-opt");
    let mut command = program("node", ".");
    command.arg(tool).arg(&bound).args(&settings.wasm_opt.flags).arg("-o").arg(&half);
    run(&mut command).await?;
    rename(&half, &finished)?;
    fs::remove_file(&bound).with_context(|| format!("{} cannot be removed", bound.display()))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("{} cannot become {}", from.display(), to.display());
    fs::rename(from, to).with_context(failed)
}

fn unoptimised(finished: &Path) -> PathBuf {
    finished.with_extension("bound")
}

/// The module may only call the glue that was made for it: no clock, file or socket of a system.
fn check_imports(settings: &Settings, finished: &Path) -> Result<()> {
    let bytes = fs::read(finished)?;
    let glue = format!("./{}_bg.js", settings.name);
    for payload in Parser::new(0).parse_all(&bytes) {
        let Payload::ImportSection(section) = payload? else { continue };
        for import in section.into_imports() {
            let import = import?;
            let known =
                settings.imports.prefixes.iter().any(|known| import.name.starts_with(known));
            ensure!(
                import.module == glue && known,
                "the wasm imports `{}` from `{}`: nothing in a browser provides it",
                import.name,
                import.module
            );
        }
    }
    Ok(())
}

async fn measure(finished: &Path) -> Result<Sizes> {
    let script =
        "const z = require('node:zlib'), b = require('node:fs').readFileSync(process.argv[1]);
        console.log(JSON.stringify({ raw: b.length, gzip: z.gzipSync(b, { level: 9 }).length,
        brotli: z.brotliCompressSync(b).length }))";
    let text = output(program("node", ".").args(["-e", script]).arg(finished)).await?;
    serde_json::from_str(&text).context("sizes of the wasm")
}
