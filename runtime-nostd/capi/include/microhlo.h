/*
 * microhlo: runs compiled models without an operating system or an allocator.
 *
 *   #include "microhlo.h"
 *   #include "kws.h"               // by `microhlo compile --emit object` or `--emit c`
 *
 *   static MICROHLO_ALIGNED uint8_t arena[KWS_ARENA_BYTES];
 *   static microhlo_model model;
 *
 *   microhlo_status status = microhlo_load(&model, kws_artifact, KWS_ARTIFACT_BYTES);
 *   const uint8_t *inputs[KWS_INPUT_COUNT] = {audio};
 *   uint8_t *outputs[KWS_OUTPUT_COUNT] = {scores};
 *   if (status == MICROHLO_OK)
 *     status = microhlo_infer(&model, arena, sizeof arena, inputs, outputs);
 *
 * A model is proved once, when it is loaded; after that no byte of it can make a function touch memory that it must
 * not touch. No function allocates, blocks or uses more than a small fixed stack. Functions may be called from any
 * context, for one arena from one at a time.
 *
 * Tensors are dense and row-major, their elements little-endian. The memory of models and runs must be aligned as their
 * types are, and begin with zeros before it is first used (as static variables do).
 */
#ifndef MICROHLO_H
#define MICROHLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MICROHLO_ALIGNED alignas(16)
extern "C" {
#else
#define MICROHLO_ALIGNED _Alignas(16)
#endif

/* What a function came to. */
typedef enum microhlo_status {
  /* All is well. */
  MICROHLO_OK = 0,
  /* A pointer is null. */
  MICROHLO_NULL = 1,
  /* The model or run is not one that was loaded or started. */
  MICROHLO_NOT_LOADED = 2,
  /* The artifact does not start at a multiple of 16. */
  MICROHLO_ARTIFACT_MISALIGNED = 3,
  /* The bytes are not an artifact that this runtime reads, or they have been damaged. */
  MICROHLO_BAD_ARTIFACT = 4,
  /* The library does not link a kernel that the model needs, or a part of it: build it with the model's list. */
  MICROHLO_MISSING_KERNEL = 5,
  /* The library does not link a micro-operation that the model needs: build it with the model's list. */
  MICROHLO_MISSING_MICRO_OPERATION = 6,
  /* A step of the artifact is not safe to run. */
  MICROHLO_UNSAFE_STEP = 7,
  /* The arena is smaller than the model needs. */
  MICROHLO_ARENA_TOO_SMALL = 8,
  /* The arena is not aligned as the model needs; a multiple of 16 always is. */
  MICROHLO_ARENA_MISALIGNED = 9,
  /* No input or output of this number. */
  MICROHLO_NO_SUCH_TENSOR = 10,
  /* An input is not given with its length. */
  MICROHLO_WRONG_SIZE = 11,
  /* An input can only be set before the first step. */
  MICROHLO_ALREADY_STARTED = 12,
  /* Outputs exist only after the last step. */
  MICROHLO_NOT_FINISHED = 13,
  /* The input is fed row by row and cannot be set. */
  MICROHLO_STREAMED = 14,
  /* The next step waits for rows of an input. */
  MICROHLO_UNFED = 15,
  /* The next step takes no rows of an input. */
  MICROHLO_NOT_FED = 16,
  /* The bytes are not whole rows, or more than are left. */
  MICROHLO_ROW_SIZE = 17,
  /* A step has changed since the model was loaded. */
  MICROHLO_CORRUPTED = 18,
  /* An error of a later version of the runtime. */
  MICROHLO_OTHER = 19,
  /* The model has another number of arenas than are given; if several, see `microhlo_arena`. */
  MICROHLO_ARENA_COUNT = 20
} microhlo_status;

/* A loaded model. It refers to the artifact, which must stay as it is. */
typedef struct microhlo_model {
  uint64_t words[sizeof(void *) == 8 ? 40 : 26];
} microhlo_model;

/* A run in progress. It refers to its model and arena. */
typedef struct microhlo_run {
  uint64_t words[16];
} microhlo_run;

/*
 * A memory that a model works in, at a multiple of 16. A model that was compiled for several (`compile --region`) takes
 * an array of them, in the order in which `compile` prints them and its header has their sizes. All are apart.
 */
typedef struct microhlo_arena {
  uint8_t *bytes;
  size_t len;
} microhlo_arena;

/* The name of a status, for example "MICROHLO_ARENA_TOO_SMALL"; never null. */
const char *microhlo_status_name(microhlo_status status);

/* Proves an artifact of `len` bytes, at a multiple of 16. */
microhlo_status microhlo_load(microhlo_model *model, const uint8_t *artifact, size_t len);

/* What a model needs and has; zero for one that is not loaded, or a number out of range. Sizes are in bytes. */
size_t microhlo_arena_bytes(const microhlo_model *model);
size_t microhlo_arena_count(const microhlo_model *model);
size_t microhlo_arena_bytes_of(const microhlo_model *model, size_t index);
size_t microhlo_input_count(const microhlo_model *model);
size_t microhlo_output_count(const microhlo_model *model);
size_t microhlo_input_bytes(const microhlo_model *model, size_t index);
size_t microhlo_output_bytes(const microhlo_model *model, size_t index);

/* The name of the memory that an arena is for, as it was given to `compile --region`; empty if there is none. */
void microhlo_arena_name(const microhlo_model *model, size_t index, char (*name)[9]);

/* Makes every state of the model zero: needed before its first run unless the arena is zero. */
microhlo_status microhlo_reset(const microhlo_model *model, uint8_t *arena, size_t arena_len);

/*
 * Runs the model once. `inputs` and `outputs` have a pointer for each, to as many bytes as it has. A pointer may be null
 * for an input that is a state and for an output that is of no interest.
 */
microhlo_status microhlo_infer(const microhlo_model *model, uint8_t *arena, size_t arena_len,
                               const uint8_t *const *inputs, uint8_t *const *outputs);

/*
 * The same step by step. Between two steps other work can be done, but not in the arena. A run that is begun needs
 * not be ended.
 */
microhlo_status microhlo_start(microhlo_run *run, const microhlo_model *model, uint8_t *arena, size_t arena_len);
microhlo_status microhlo_set_input(microhlo_run *run, size_t index, const uint8_t *input, size_t len);
microhlo_status microhlo_step(microhlo_run *run, bool *finished);

/*
 * Gives the next rows of an input that the model was compiled to take row by row (`compile --stream-input`), and
 * computes what they make possible. `*wanted` is then the number of rows that there is room for; zero once the input is
 * complete and `microhlo_step` goes on.
 */
microhlo_status microhlo_feed(microhlo_run *run, const uint8_t *rows, size_t len, uint32_t *wanted);

/*
 * The same for a model that lies in several arenas, or keeps constants in one. `microhlo_fill` copies these, once before
 * the first run, and again if the arenas have been used for something else.
 */
microhlo_status microhlo_fill(const microhlo_model *model, const microhlo_arena *arenas, size_t count);
microhlo_status microhlo_reset_in(const microhlo_model *model, const microhlo_arena *arenas, size_t count);
microhlo_status microhlo_infer_in(const microhlo_model *model, const microhlo_arena *arenas, size_t count,
                                  const uint8_t *const *inputs, uint8_t *const *outputs);
microhlo_status microhlo_start_in(microhlo_run *run, const microhlo_model *model, const microhlo_arena *arenas,
                                  size_t count);

/* Where an output lies after the last step, and its length; null if there is none yet. */
const uint8_t *microhlo_output(microhlo_run *run, size_t index, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
