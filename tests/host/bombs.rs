//! Plugins that are made to cost as much as they can before they run: each is compiled or
//! refused, within the time and the memory that compiling may take, and nothing hangs.

use std::fmt::Write as _;

use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};

use crate::run::{Ran, Scene};
use crate::wat;

/// What compiling may take in these tests.
const LIMITS: &str = "--compile-timeout 20s --compile-memory 1GiB --cache off";

/// A filter that keeps all, with further functions that nobody calls.
fn filter_with(others: &[Function]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    others.iter().for_each(|_| {
        functions.function(2);
    });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 16,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports
        .export("memory", ExportKind::Memory, 0)
        .export("cabi_realloc", ExportKind::Func, 0)
        .export("keep", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    let mut realloc = Function::new([]);
    realloc.instruction(&Instruction::I32Const(1024)).instruction(&Instruction::End);
    let mut keep = Function::new([]);
    let store = wasm_encoder::MemArg { offset: 0, align: 0, memory_index: 0 };
    keep.instruction(&Instruction::I32Const(16))
        .instruction(&Instruction::I32Const(0))
        .instruction(&Instruction::I32Store(store))
        .instruction(&Instruction::I32Const(20))
        .instruction(&Instruction::I32Const(1))
        .instruction(&Instruction::I32Store(store))
        .instruction(&Instruction::I32Const(16))
        .instruction(&Instruction::End);
    code.function(&realloc).function(&keep);
    others.iter().for_each(|other| {
        code.function(other);
    });
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}

fn run(plugin: &[u8], flags: &str) -> Ran {
    let scene = Scene::new();
    scene.file("plugin.wasm", plugin).file("data.ndjson", "1\n2\n");
    scene.host_with("plugin.wasm").args(flags).arg("data.ndjson").run()
}

/// It is used, or refused for what it costs or is.
#[track_caller]
fn is_survived(plugin: &[u8]) -> bool {
    let ran = run(plugin, LIMITS);
    match ran.code {
        0 => {
            ran.writes("1\n2\n");
            true
        }
        _ => {
            ran.exits(2).writes("").says("cannot use the plugin plugin.wasm: ");
            assert!(ran.stderr.len() < 4096, "it says a lot: {}", ran.stderr.len());
            false
        }
    }
}

/// `number` instructions of one kind, one inside the other.
fn nested(number: usize) -> Function {
    let mut function = Function::new([]);
    for _ in 0..number {
        function
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::If(BlockType::Empty));
    }
    for _ in 0..=number {
        function.instruction(&Instruction::End);
    }
    function
}

/// `number` small ifs behind each other, each of which changes a local.
fn chain(number: usize) -> Function {
    let mut function = Function::new([]);
    for step in 0..number {
        function
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::If(BlockType::Empty))
            .instruction(&Instruction::I32Const(step as i32))
            .instruction(&Instruction::LocalSet(0))
            .instruction(&Instruction::End);
    }
    function.instruction(&Instruction::End);
    function
}

#[test]
fn the_plugin_of_these_tests_works() {
    assert!(is_survived(&filter_with(&[])));
}

#[test]
fn a_chain_of_ifs_of_a_megabyte() {
    // Seven to nine bytes each.
    is_survived(&filter_with(&[chain(125_000)]));
}

#[test]
fn a_deep_nest_of_ifs() {
    for depth in [1_000, 50_000, 1_000_000] {
        is_survived(&filter_with(&[nested(depth)]));
    }
}

#[test]
fn one_function_with_many_locals() {
    // As many as there can be; and one more, in the largest numbers that can be written.
    let mut most = Function::new([(49_999, ValType::I64)]);
    for local in 1..50_000 {
        most.instruction(&Instruction::LocalGet(local))
            .instruction(&Instruction::I64Eqz)
            .instruction(&Instruction::LocalSet(0));
    }
    most.instruction(&Instruction::End);
    is_survived(&filter_with(&[most]));
    let mut overflowing = Function::new([(u32::MAX, ValType::I64), (u32::MAX, ValType::V128)]);
    overflowing.instruction(&Instruction::End);
    let ran = run(&filter_with(&[overflowing]), LIMITS);
    ran.exits(2).says("cannot use the plugin plugin.wasm: ").says("too many locals");
}

#[test]
fn one_giant_function() {
    let mut giant = Function::new([(64, ValType::I32)]);
    for step in 0..200_000_u32 {
        giant
            .instruction(&Instruction::LocalGet(1 + step % 64))
            .instruction(&Instruction::LocalGet(1 + (step * 7) % 64))
            .instruction(&Instruction::I32Mul)
            .instruction(&Instruction::LocalSet(1 + (step * 31) % 64));
    }
    giant.instruction(&Instruction::End);
    is_survived(&filter_with(&[giant]));
}

#[test]
fn many_branches_of_one_table() {
    let mut function = Function::new([]);
    function.instruction(&Instruction::Block(BlockType::Empty));
    for _ in 0..2000 {
        function
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::BrTable(vec![0; 500].into(), 0));
        // Nothing behind a branch is reached, but it is read all the same.
        function.instruction(&Instruction::End).instruction(&Instruction::Block(BlockType::Empty));
    }
    function.instruction(&Instruction::End).instruction(&Instruction::End);
    is_survived(&filter_with(&[function]));
}

#[test]
fn very_many_small_functions() {
    let mut small = Function::new([]);
    small.instruction(&Instruction::End);
    is_survived(&filter_with(&vec![small.clone(); 100_000]));
    // More than a module can have.
    let ran = run(&filter_with(&vec![small; 1_000_001]), LIMITS);
    ran.exits(2).says("cannot use the plugin plugin.wasm: ");
}

#[test]
fn what_costs_too_much_is_refused_by_the_limit_that_it_meets() {
    let plugin = filter_with(&vec![chain(20_000); 30]);
    let ran = run(&plugin, "--compile-timeout 300ms --cache off");
    ran.exits(2).writes("").says("--compile-timeout");
    let ran = run(&plugin, "--compile-memory 64MiB --cache off");
    ran.exits(2).writes("").says("--compile-memory");
}

#[test]
fn text_that_is_deep_or_large() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    let survives = |text: String| {
        scene.file("plugin.wat", text);
        let ran = scene.host_with("plugin.wat").args(LIMITS).arg("data.ndjson").run();
        assert!([0, 2].contains(&ran.code), "{}: {}", ran.code, ran.stderr);
        assert!(ran.stderr.len() < 4096);
        ran.code
    };
    let block = |depth: usize| {
        let body = format!("{}{}", "(block ".repeat(depth), ")".repeat(depth));
        wat::filter_with("", &format!("(func {body})"), "(call $yes)")
    };
    assert_eq!(survives(block(50)), 0);
    survives(block(1_000_000));
    assert_eq!(survives("(".repeat(10_000_000)), 2);
    assert_eq!(survives(format!("(module (;{}", "(;".repeat(5_000_000))), 2);
    let mut wide = String::new();
    for number in 0..200_000 {
        let _ = write!(wide, "(func $f{number})");
    }
    survives(wat::filter_with("", &wide, "(call $yes)"));
}

#[test]
fn components_inside_components() {
    let nest = |depth: usize| {
        let mut inner = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 0..depth {
            let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
            leb(&mut outer, inner.len());
            outer.extend(&inner);
            inner = outer;
        }
        inner
    };
    for depth in [10, 1_000, 20_000] {
        assert!(!is_survived(&nest(depth)));
    }
}

fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[test]
fn a_module_cut_anywhere_is_refused() {
    let whole = filter_with(&[chain(3)]);
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    for length in 0..whole.len() {
        scene.file("plugin.wasm", &whole[..length]);
        let host = scene.host_with("plugin.wasm").args("--cache off data.ndjson");
        host.run().exits(2).writes("").says("cannot use the plugin plugin.wasm: ");
    }
}

#[test]
fn lengths_that_promise_more_than_there_is() {
    let head = b"\0asm\x01\0\0\0";
    // A section, a vector, a name and a body of four gigabytes, of which nothing comes.
    let huge = b"\xff\xff\xff\xff\x0f";
    for rest in [
        &[&[1_u8][..], huge].concat()[..],
        &[&[1, 5][..], huge].concat(),
        &[&[0, 10][..], huge, b"name"].concat(),
        &[&[10, 7, 1][..], huge, &[0]].concat(),
        &[&[5, 11, 1, 1][..], huge, huge].concat(),
    ] {
        let ran = run(&[&head[..], rest].concat(), LIMITS);
        ran.exits(2).writes("").says("cannot use the plugin plugin.wasm: ");
    }
}

#[test]
fn data_that_would_fill_more_memory_than_there_is() {
    let plugin =
        |pages: &str| wat::keeps_all().replacen("(memory (export \"memory\") 1)", pages, 1);
    let run =
        |pages: &str| Scene::new().host(&plugin(pages)).args("--memory 16MiB").stdin("1\n").run();
    run("(memory (export \"memory\") 256)").exits(0).writes("1\n");
    let ran = run("(memory (export \"memory\") 257)");
    ran.exits(1).says("cannot be started").never_says("record 1");
    let ran = run("(memory (export \"memory\") 65536)(data (i32.const 4294967290) \"x\")");
    ran.exits(1).says("cannot be started");
}
