//! What the same plugin costs without this program: a filter in a bare loop, in one process and
//! on one thread, without sandbox, order, limits or account.
//!
//! ```text
//! bare PLUGIN FILE [-o OUT]
//! ```
//!
//! Lines are found as `native` finds them; each goes into the plugin as the
//! canonical ABI says it: `cabi_realloc`, a copy, the call. The compiler has the settings that
//! the program has. What the loop took, without compiling, goes to standard error in seconds.

#[path = "peers/native/lines.rs"]
mod lines;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use wasmtime::error::Context;
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Result, Store, TypedFunc, bail};

/// Bytes asked of the input at a time, and collected before they are written.
const BUFFER: usize = 1 << 20;

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let (Some(plugin), Some(input)) = (words.next(), words.next()) else {
        bail!("usage: bare PLUGIN FILE [-o OUT]");
    };
    let output: Option<PathBuf> = match (words.next(), words.next()) {
        (Some(flag), Some(path)) if flag == "-o" => Some(path.into()),
        (None, None) => None,
        _ => bail!("usage: bare PLUGIN FILE [-o OUT]"),
    };
    let sink: Box<dyn Write> = match &output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?,
        ),
        None => Box::new(io::stdout().lock()),
    };
    let source = File::open(&input).context("cannot open the input")?;
    let mut filter = Filter::load(PathBuf::from(plugin))?;
    let mut sink = BufWriter::with_capacity(BUFFER, sink);
    let began = Instant::now();
    filter.run(source, &mut sink)?;
    sink.flush().context("cannot write the output")?;
    eprintln!("{:.4}", began.elapsed().as_secs_f64());
    Ok(())
}

/// A live plugin.
struct Filter {
    store: Store<()>,
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    keep: TypedFunc<(u32, u32), u32>,
    post: Option<TypedFunc<u32, ()>>,
}

impl Filter {
    fn load(plugin: PathBuf) -> Result<Filter> {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let text = std::fs::read(&plugin).context("cannot read the plugin")?;
        let module = Module::new(&engine, wat::parse_bytes(&text)?)?;
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module)?;
        let instance: Instance = linker.instantiate(&mut store, &module)?;
        Ok(Filter {
            memory: instance.get_memory(&mut store, "memory").context("no memory")?,
            realloc: instance.get_typed_func(&mut store, "cabi_realloc")?,
            keep: instance.get_typed_func(&mut store, "keep")?,
            post: instance.get_typed_func(&mut store, "cabi_post_keep").ok(),
            store,
        })
    }

    fn keep(&mut self, record: &[u8]) -> Result<bool> {
        let record = simdutf8::basic::from_utf8(record)?;
        let length = record.len() as u32;
        let at = self.realloc.call(&mut self.store, (0, 0, 1, length))?;
        let memory = self.memory.data_mut(&mut self.store);
        memory[at as usize..][..record.len()].copy_from_slice(record.as_bytes());
        let result = self.keep.call(&mut self.store, (at, length))?;
        let memory = self.memory.data(&self.store);
        let answer = &memory[result as usize..][..5];
        if answer[0] != 0 {
            bail!("the plugin rejects a record");
        }
        let keeps = answer[4] != 0;
        if let Some(post) = &self.post {
            post.call(&mut self.store, result)?;
        }
        Ok(keeps)
    }

    fn run(&mut self, source: impl Read, sink: &mut impl Write) -> Result<()> {
        lines::pieces(source, BUFFER, |text| {
            for line in lines::lines(text) {
                if self.keep(line)? {
                    sink.write_all(line)?;
                    sink.write_all(b"\n")?;
                }
            }
            Ok(())
        })
    }
}
