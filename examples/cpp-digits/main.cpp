// Reads 20 handwritten digits with a convolutional network, in C++.
//
// The exit code is 0 if the network reads at least 19 of them right, as it does in JAX.
extern "C" {
#include "board.h"
}
#include "digits_cnn.h"
#include "microhlo.h"

namespace {

constexpr unsigned count = 20;
constexpr unsigned digits = 10;
constexpr unsigned pixels = DIGITS_CNN_INPUT_0_BYTES / sizeof(float);
static_assert(DIGITS_CNN_OUTPUT_0_BYTES == digits * sizeof(float), "ten logits");

// A model with its arena: arrays of the tensors' sizes go in and come out, others do not compile.
class Network {
public:
  microhlo_status load() { return microhlo_load(&model, digits_cnn_artifact, DIGITS_CNN_ARTIFACT_BYTES); }

  microhlo_status run(const float (&image)[pixels], float (&logits)[digits]) {
    const uint8_t *inputs[] = {reinterpret_cast<const uint8_t *>(image)};
    uint8_t *outputs[] = {reinterpret_cast<uint8_t *>(logits)};
    return microhlo_infer(&model, arena, sizeof arena, inputs, outputs);
  }

private:
  MICROHLO_ALIGNED uint8_t arena[DIGITS_CNN_ARENA_BYTES];
  microhlo_model model;
};

Network network;

unsigned largest(const float (&values)[digits]) {
  unsigned best = 0;
  for (unsigned i = 1; i < digits; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

int fail(const char *what, microhlo_status status) {
  print(what);
  print(microhlo_status_name(status));
  print("\n");
  return 2;
}

} // namespace

// Images of 8 rows of 8 pixels, and what they show; c-digits/data.S includes the files.
extern "C" const float digits_images[count][pixels];
extern "C" const uint8_t digits_labels[count];

int main() {
  microhlo_status status = network.load();
  if (status != MICROHLO_OK) return fail("the model does not load: ", status);
  unsigned right = 0;
  for (unsigned i = 0; i < count; i++) {
    float logits[digits];
    status = network.run(digits_images[i], logits);
    if (status != MICROHLO_OK) return fail("the model does not run: ", status);
    right += largest(logits) == digits_labels[i];
  }
  const char total[] = {static_cast<char>('0' + right / 10), static_cast<char>('0' + right % 10), '\0'};
  print(total);
  print(" of 20 are right\n");
  return right >= 19 ? 0 : 1;
}
