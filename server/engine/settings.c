#include "server/engine/settings.h"

const struct queue_settings queue_settings_default = {
#define VALUE_ORDER(field, value)   .field = (value),
#define VALUE_COUNT(field, value)   .field = (value),
#define VALUE_BYTES(field, value)   .field = (value),
#define VALUE_SECONDS(field, value) .field = (value),
#define VALUE_SHARE(field, value)   .field = (value),
#define VALUE_NAME(field, value)
#define VALUE_FLAG(field, value)               .field = (value),
#define X(field, type, low, high, value, text) VALUE_##type(field, value)
    QUEUE_SETTINGS(X)
#undef X
};
