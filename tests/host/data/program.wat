;; A command as a component: what a core module becomes that knows preview 1, or that calls
;; WASI 0.2 itself, which it finds as "w". The module takes the place of the line that says so.
;; It imports its memory, of 8 pages, the last four of which are not its own.
(component $world
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/poll@0.2.2" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.6" (instance $streams
    (export "output-stream" (type $output (sub resource)))
    (export "input-stream" (type $input (sub resource)))
    (alias outer $world $error-type (type $e))
    (alias outer $world $pollable (type $p))
    (type $stream-error (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $failed (eq $stream-error)))
    (export "[method]input-stream.read"
      (func (param "self" (borrow $input)) (param "len" u64)
        (result (result (list u8) (error $failed)))))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $input)) (param "len" u64)
        (result (result (list u8) (error $failed)))))
    (export "[method]input-stream.skip"
      (func (param "self" (borrow $input)) (param "len" u64)
        (result (result u64 (error $failed)))))
    (export "[method]input-stream.subscribe"
      (func (param "self" (borrow $input)) (result (own $p))))
    (export "[method]output-stream.check-write"
      (func (param "self" (borrow $output)) (result (result u64 (error $failed)))))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $output)) (param "contents" (list u8))
        (result (result (error $failed)))))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output)) (param "contents" (list u8))
        (result (result (error $failed)))))
    (export "[method]output-stream.blocking-flush"
      (func (param "self" (borrow $output)) (result (result (error $failed)))))
    (export "[method]output-stream.subscribe"
      (func (param "self" (borrow $output)) (result (own $p))))
    (export "[method]output-stream.splice"
      (func (param "self" (borrow $output)) (param "src" (borrow $input)) (param "len" u64)
        (result (result u64 (error $failed)))))))
  (alias export $streams "output-stream" (type $output))
  (alias export $streams "input-stream" (type $input))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer $world $input (type $i))
    (export "get-stdin" (func (result (own $i))))))
  (import "wasi:cli/stdout@0.2.3" (instance $stdout
    (alias outer $world $output (type $o))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:cli/stderr@0.2.12" (instance $stderr
    (alias outer $world $output (type $o))
    (export "get-stderr" (func (result (own $o))))))
  (import "wasi:cli/terminal-output@0.2.0" (instance $terminal
    (export "terminal-output" (type (sub resource)))))
  (alias export $terminal "terminal-output" (type $terminal-output))
  (import "wasi:cli/terminal-stdout@0.2.0" (instance $terminal-stdout
    (alias outer $world $terminal-output (type $t))
    (export "get-terminal-stdout" (func (result (option (own $t)))))))
  (import "wasi:cli/terminal-stderr@0.2.0" (instance $terminal-stderr
    (alias outer $world $terminal-output (type $t))
    (export "get-terminal-stderr" (func (result (option (own $t)))))))
  (import "wasi:cli/exit@0.2.3" (instance $exit
    (export "exit" (func (param "status" (result))))
    (export "exit-with-code" (func (param "status-code" u8)))))
  (import "wasi:cli/environment@0.2.3" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))

  ;; What is handed to the program is put behind its own memory, again and again in one place.
  (core module $memory-module
    (memory (export "memory") 8)
    (global $next (export "next") (mut i32) (i32.const 300000))
    (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $length i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $length)))
      (local.get $at)))
  (core instance $memory (instantiate $memory-module))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "cabi_realloc" (core func $realloc))

  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $drop-pollable (canon resource.drop $pollable))
  (core func $read (canon lower
    (func $streams "[method]input-stream.read") (memory $m) (realloc $realloc)))
  (core func $blocking-read (canon lower
    (func $streams "[method]input-stream.blocking-read") (memory $m) (realloc $realloc)))
  (core func $skip (canon lower (func $streams "[method]input-stream.skip") (memory $m)))
  (core func $subscribe-in (canon lower (func $streams "[method]input-stream.subscribe")))
  (core func $drop-in (canon resource.drop $input))
  (core func $check (canon lower
    (func $streams "[method]output-stream.check-write") (memory $m)))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $m)))
  (core func $blocking-write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush") (memory $m)))
  (core func $flush (canon lower
    (func $streams "[method]output-stream.blocking-flush") (memory $m)))
  (core func $subscribe-out (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $splice (canon lower (func $streams "[method]output-stream.splice") (memory $m)))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $out-terminal (canon lower
    (func $terminal-stdout "get-terminal-stdout") (memory $m)))
  (core func $err-terminal (canon lower
    (func $terminal-stderr "get-terminal-stderr") (memory $m)))
  (core func $end (canon lower (func $exit "exit")))
  (core func $end-with (canon lower (func $exit "exit-with-code")))
  (core func $environ (canon lower
    (func $environment "get-environment") (memory $m) (realloc $realloc)))
  (core func $arguments (canon lower
    (func $environment "get-arguments") (memory $m) (realloc $realloc)))
  (core instance $w
    (export "block" (func $block)) (export "drop-pollable" (func $drop-pollable))
    (export "read" (func $read)) (export "blocking-read" (func $blocking-read))
    (export "skip" (func $skip)) (export "subscribe-in" (func $subscribe-in))
    (export "drop-in" (func $drop-in)) (export "check" (func $check))
    (export "write" (func $write)) (export "blocking-write" (func $blocking-write))
    (export "flush" (func $flush)) (export "subscribe-out" (func $subscribe-out))
    (export "splice" (func $splice)) (export "stdin" (func $get-stdin))
    (export "stdout" (func $get-stdout)) (export "stderr" (func $get-stderr))
    (export "out-terminal" (func $out-terminal)) (export "err-terminal" (func $err-terminal))
    (export "exit" (func $end)) (export "exit-with-code" (func $end-with))
    (export "environment" (func $environ)) (export "arguments" (func $arguments)))

  ;; As much of preview 1 as the programs of tests use: one piece for each read and write.
  (core module $preview1
    (import "memory" "memory" (memory 8))
    (import "memory" "next" (global $next (mut i32)))
    (import "w" "block" (func $block (param i32)))
    (import "w" "drop-pollable" (func $drop-pollable (param i32)))
    (import "w" "blocking-read" (func $read (param i32 i64 i32)))
    (import "w" "check" (func $check (param i32 i32)))
    (import "w" "write" (func $write (param i32 i32 i32 i32)))
    (import "w" "flush" (func $flush (param i32 i32)))
    (import "w" "subscribe-out" (func $subscribe (param i32) (result i32)))
    (import "w" "stdin" (func $stdin (result i32)))
    (import "w" "stdout" (func $stdout (result i32)))
    (import "w" "stderr" (func $stderr (result i32)))
    (import "w" "exit-with-code" (func $exit (param i32)))
    (import "w" "environment" (func $environment (param i32)))
    (import "w" "arguments" (func $arguments (param i32)))
    (global $in (mut i32) (i32.const 0))
    (global $out (mut i32) (i32.const 0))
    (global $err (mut i32) (i32.const 0))
    ;; Where functions that give more than a number put it.
    (global $result i32 (i32.const 290000))
    (func (export "fd_read") (param i32) (param $piece i32) (param i32) (param $count i32)
      (result i32)
      (if (i32.eqz (global.get $in)) (then (global.set $in (call $stdin))))
      (global.set $next (i32.const 300000))
      (call $read (global.get $in)
        (i64.extend_i32_u (i32.load offset=4 (local.get $piece))) (global.get $result))
      (i32.store (local.get $count) (i32.const 0))
      (if (i32.load8_u (global.get $result))
        (then
          ;; It has to be the end.
          (if (i32.ne (i32.load8_u offset=4 (global.get $result)) (i32.const 1))
            (then unreachable)))
        (else
          (i32.store (local.get $count) (i32.load offset=8 (global.get $result)))
          (memory.copy (i32.load (local.get $piece)) (i32.load offset=4 (global.get $result))
            (i32.load offset=8 (global.get $result)))))
      (i32.const 0))
    (func $stream (param $descriptor i32) (result i32)
      (if (i32.eq (local.get $descriptor) (i32.const 1))
        (then
          (if (i32.eqz (global.get $out)) (then (global.set $out (call $stdout))))
          (return (global.get $out))))
      (if (i32.eqz (global.get $err)) (then (global.set $err (call $stderr))))
      (global.get $err))
    (func (export "fd_write") (param $descriptor i32) (param $piece i32) (param i32)
      (param $count i32) (result i32)
      (local $to i32) (local $at i32) (local $left i32) (local $part i32) (local $ready i32)
      (local.set $to (call $stream (local.get $descriptor)))
      (local.set $at (i32.load (local.get $piece)))
      (local.set $left (i32.load offset=4 (local.get $piece)))
      (i32.store (local.get $count) (local.get $left))
      (loop $more
        (local.set $ready (call $subscribe (local.get $to)))
        (call $block (local.get $ready))
        (call $drop-pollable (local.get $ready))
        (call $check (local.get $to) (global.get $result))
        (if (i32.load8_u (global.get $result)) (then unreachable))
        (local.set $part (i32.wrap_i64 (i64.load offset=8 (global.get $result))))
        (if (i32.gt_u (local.get $part) (local.get $left))
          (then (local.set $part (local.get $left))))
        (call $write (local.get $to) (local.get $at) (local.get $part) (global.get $result))
        (if (i32.load8_u (global.get $result)) (then unreachable))
        (local.set $at (i32.add (local.get $at) (local.get $part)))
        (local.set $left (i32.sub (local.get $left) (local.get $part)))
        (br_if $more (local.get $left)))
      (call $flush (local.get $to) (global.get $result))
      (i32.load8_u (global.get $result)))
    (func (export "proc_exit") (param i32) (call $exit (local.get 0)))
    ;; Puts a text to a place, and a byte behind it; gives where that ends.
    (func $put (param $text i32) (param $place i32) (param $behind i32) (result i32)
      (memory.copy (local.get $place) (i32.load (local.get $text))
        (i32.load offset=4 (local.get $text)))
      (local.set $place
        (i32.add (local.get $place) (i32.load offset=4 (local.get $text))))
      (i32.store8 (local.get $place) (local.get $behind))
      (i32.add (local.get $place) (i32.const 1)))
    ;; Puts all arguments, or the environment, to a place; gives where that ends.
    (func $gather (param $environment i32) (param $place i32) (result i32)
      (local $at i32) (local $left i32)
      (global.set $next (i32.const 300000))
      (if (local.get $environment)
        (then (call $environment (global.get $result)))
        (else (call $arguments (global.get $result))))
      (local.set $at (i32.load (global.get $result)))
      (local.set $left (i32.load offset=4 (global.get $result)))
      (block $done
        (loop $next-text
          (br_if $done (i32.eqz (local.get $left)))
          (if (local.get $environment) (then
            (local.set $place
              (call $put (local.get $at) (local.get $place) (i32.const 61)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))))
          (local.set $place (call $put (local.get $at) (local.get $place) (i32.const 0)))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $next-text)))
      (local.get $place))
    (func (export "args_sizes_get") (param $count i32) (param $bytes i32) (result i32)
      (i32.store (local.get $bytes)
        (i32.sub (call $gather (i32.const 0) (i32.const 400000)) (i32.const 400000)))
      (i32.const 0))
    (func (export "args_get") (param i32) (param $place i32) (result i32)
      (drop (call $gather (i32.const 0) (local.get $place)))
      (i32.const 0))
    (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
      (i32.store (local.get $bytes)
        (i32.sub (call $gather (i32.const 1) (i32.const 400000)) (i32.const 400000)))
      (i32.const 0))
    (func (export "environ_get") (param i32) (param $place i32) (result i32)
      (drop (call $gather (i32.const 1) (local.get $place)))
      (i32.const 0)))
  (core instance $adapter (instantiate $preview1
    (with "memory" (instance $memory)) (with "w" (instance $w))))

  (core module $program)
  (core instance $main (instantiate $program
    (with "memory" (instance $memory)) (with "w" (instance $w))
    (with "wasi_snapshot_preview1" (instance $adapter))))
  (core module $begin
    (import "main" "_start" (func $start))
    (func (export "run") (result i32) (call $start) (i32.const 0)))
  (core instance $begun (instantiate $begin (with "main" (instance $main))))
  (func $run (result (result)) (canon lift (core func $begun "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $exported)))
