/*
 * Reads 20 handwritten digits with a convolutional network, in C.
 *
 * The exit code is 0 if the network reads at least 19 of them right, as it does in JAX.
 */
#include "board.h"
#include "digits_cnn.h"
#include "microhlo.h"

#define COUNT 20u
#define DIGITS 10u

/* Images of 8 rows of 8 pixels, and what they show; data.S includes the files. */
extern const float digits_images[COUNT][DIGITS_CNN_INPUT_0_BYTES / sizeof(float)];
extern const uint8_t digits_labels[COUNT];

static MICROHLO_ALIGNED uint8_t arena[DIGITS_CNN_ARENA_BYTES];
static microhlo_model model;

static unsigned largest(const float *values, unsigned count) {
  unsigned best = 0;
  for (unsigned i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

static int fail(const char *what, microhlo_status status) {
  print(what);
  print(microhlo_status_name(status));
  print("\n");
  return 2;
}

int main(void) {
  microhlo_status status = microhlo_load(&model, digits_cnn_artifact, DIGITS_CNN_ARTIFACT_BYTES);
  if (status != MICROHLO_OK) return fail("the model does not load: ", status);
  unsigned right = 0;
  for (unsigned image = 0; image < COUNT; image++) {
    float logits[DIGITS];
    const uint8_t *inputs[DIGITS_CNN_INPUT_COUNT] = {(const uint8_t *)digits_images[image]};
    uint8_t *outputs[DIGITS_CNN_OUTPUT_COUNT] = {(uint8_t *)logits};
    status = microhlo_infer(&model, arena, sizeof arena, inputs, outputs);
    if (status != MICROHLO_OK) return fail("the model does not run: ", status);
    const unsigned digit = largest(logits, DIGITS);
    const char text[] = {(char)('0' + digits_labels[image]), ' ', 'i', 's', ' ', 'r', 'e', 'a', 'd', ' ',
                         'a', 's', ' ', (char)('0' + digit), '\n', '\0'};
    print(text);
    right += digit == digits_labels[image];
  }
  const char total[] = {(char)('0' + right / 10), (char)('0' + right % 10), '\0'};
  print(total);
  print(" of 20 are right\n");
  return right >= 19 ? 0 : 1;
}

_Static_assert(DIGITS_CNN_OUTPUT_0_BYTES == DIGITS * sizeof(float), "ten logits");
