/* What is counted, in the order of KINDS in work.py. */
#pragma once

enum {
  LAUNCH,          /* of a kernel */
  LIBRARY,         /* calls of cuBLAS and cuDNN that compute, each one kernel or more */
  MEMSET,
  COPY_ON_DEVICE,
  PINNED_COPY,
  PAGEABLE_COPY,   /* for which the host waits */
  SYNCHRONISATION, /* the host waits for a stream, an event or the device */
  NCCL,
  KINDS
};

void fake_count(int kind);
