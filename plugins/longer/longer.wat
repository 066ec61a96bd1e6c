;; Keeps the records that are longer than 640 bytes.
;;
;; A whole plugin by hand, with no tool between the text and the program. It is
;; meant for those who bring a language of their own and want to know what the
;; bytes must look like. The contract says:
;;
;;     keep: func(%record: string) -> result<bool, string>
;;
;; A WebAssembly function takes and returns numbers only. How a string or a
;; result becomes numbers is laid down by the "canonical ABI". For this function
;; it comes to four steps:
;;
;; 1. The program asks the plugin for room: it calls `cabi_realloc` with the
;;    record's length and gets an address in the plugin's memory.
;; 2. It copies the record there.
;; 3. It calls `keep` with that address and the length.
;; 4. `keep` returns the address of its answer, and the program reads the answer
;;    there.
;;
;; (There may be a fifth: if the module exports a function `cabi_post_keep`, it
;; is called with the address from step 4 once the answer has been read, so that
;; the plugin can free it. Nothing is freed here, so there is none.)

(module
  ;; What lies where in the memory:
  ;;
  ;;        0 ..    16   nothing; so that no address that we give out is 0
  ;;       16 ..    28   the answer of `keep`
  ;;     1024 ..         the record
  ;;
  ;; The program has to reach the memory, so it is exported, under this name. It
  ;; starts with one page of 65,536 bytes and grows when a record needs more.
  (memory (export "memory") 1)

  (global $answer i32 (i32.const 16))
  (global $record i32 (i32.const 1024))

  ;; Gives room for $new_size bytes.
  ;;
  ;; The four parameters are those of a general `realloc`: a block to enlarge
  ;; ($old_address, $old_size; both 0 for a new one), the alignment that the
  ;; address must have, and the size wanted.
  ;;
  ;; There is only one record at a time and its predecessor is done with, so the
  ;; answer is always the same address. That is right for enlarging too: the
  ;; block stays where it is. 1024 is a multiple of every alignment (1, 2, 4, 8).
  (func (export "cabi_realloc")
    (param $old_address i32) (param $old_size i32)
    (param $alignment i32) (param $new_size i32)
    (result i32)
    (local $pages_needed i64)
    (local $pages_missing i64)

    ;; Counted in 64 bits: an end beyond 4 GiB would wrap around in 32 and look
    ;; like a small one.
    ;;
    ;;     pages_needed = (record + new_size + 65535) / 65536
    (local.set $pages_needed
      (i64.shr_u
        (i64.add
          (i64.add
            (i64.extend_i32_u (global.get $record))
            (i64.extend_i32_u (local.get $new_size)))
          (i64.const 65535))
        (i64.const 16)))
    (local.set $pages_missing
      (i64.sub
        (local.get $pages_needed)
        (i64.extend_i32_u (memory.size))))

    (if (i64.gt_s (local.get $pages_missing) (i64.const 0))
      (then
        ;; `memory.grow` answers -1 when the memory may not grow that far. Then
        ;; this record cannot be judged, and a trap says so: it counts against
        ;; this record alone.
        (if (i32.eq
              (memory.grow (i32.wrap_i64 (local.get $pages_missing)))
              (i32.const -1))
          (then unreachable))))

    (global.get $record))

  ;; Judges the record of $length bytes at $address.
  ;;
  ;; The answer is a `result<bool, string>`, twelve bytes at an address that is a
  ;; multiple of 4:
  ;;
  ;;     +0   one byte: 0 for ok, 1 for err
  ;;     +1   three bytes that are not looked at
  ;;     +4   if ok:  one byte, the bool: 1 keeps the record, 0 drops it
  ;;          if err: four bytes, the address of the message
  ;;     +8   if err: four bytes, the length of the message
  ;;
  ;; The length is all that this plugin looks at, so it never answers err.
  (func (export "keep")
    (param $address i32) (param $length i32)
    (result i32)

    (i32.store8 offset=0 (global.get $answer) (i32.const 0))
    (i32.store8 offset=4
      (global.get $answer)
      ;; A comparison yields 1 or 0, which is just what a bool is made of.
      (i32.gt_u (local.get $length) (i32.const 640)))

    (global.get $answer)))
