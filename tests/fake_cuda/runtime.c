/* A counterfeit of the parts of CUDA's runtime that torch calls: GPUs whose memory is the host's and
   whose kernels do nothing. It counts what a GPU would be asked to do; numbers mean nothing. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "counts.h"

#define OK return cudaSuccess

/* ---- counts */

static uint64_t counts[KINDS];

void fake_count(int kind) { __sync_fetch_and_add(&counts[kind], 1); }
uint64_t fake_counted(int kind) { return counts[kind]; }
void fake_reset(void) { memset(counts, 0, sizeof counts); }

/* ---- memory: ranges that the device (its number plus 1) or page-locked memory (0) takes up */

typedef struct {
  uintptr_t start;
  size_t size;
  int device;
} Range;

#define MOST_RANGES 65536
static Range ranges[MOST_RANGES];
static int number_of_ranges;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int current;

static int number_of_devices(void) {
  const char *text = getenv("FAKE_GPUS");
  return text ? atoi(text) : 1;
}

static Range *find(const void *pointer) {
  uintptr_t at = (uintptr_t)pointer;
  for (int i = 0; i < number_of_ranges; i++)
    if (at >= ranges[i].start && at < ranges[i].start + ranges[i].size) return &ranges[i];
  return NULL;
}

static int device_of(const void *pointer) { /* -1: pageable, 0: page-locked, else its device */
  pthread_mutex_lock(&lock);
  Range *range = find(pointer);
  int device = range ? range->device : -1;
  pthread_mutex_unlock(&lock);
  return device;
}

static void take(void *pointer, size_t size, int device) {
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < number_of_ranges && ranges[i].size) i++;
  if (i == MOST_RANGES) abort();
  if (i == number_of_ranges) number_of_ranges++;
  ranges[i] = (Range){(uintptr_t)pointer, size, device};
  pthread_mutex_unlock(&lock);
}

static size_t leave(void *pointer) {
  pthread_mutex_lock(&lock);
  Range *range = find(pointer);
  size_t size = range ? range->size : 0;
  if (range) *range = (Range){0, 0, 0};
  pthread_mutex_unlock(&lock);
  return size;
}

static cudaError_t allocate(void **pointer, size_t size, int device) {
  size_t pages = (size + 4095) / 4096 * 4096 + 4096;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  *pointer = mmap(NULL, pages, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (*pointer == MAP_FAILED) return cudaErrorMemoryAllocation;
  take(*pointer, pages, device);
  OK;
}

static cudaError_t release(void *pointer) {
  size_t size = pointer ? leave(pointer) : 0;
  if (size) munmap(pointer, size);
  OK;
}

cudaError_t cudaMalloc(void **p, size_t n) { return allocate(p, n, 1 + current); }
cudaError_t cudaFree(void *p) { return release(p); }
cudaError_t cudaHostAlloc(void **p, size_t n, unsigned flags) { return allocate(p, n, 0); }
cudaError_t cudaFreeHost(void *p) { return release(p); }
cudaError_t cudaHostRegister(void *p, size_t n, unsigned flags) { take(p, n, 0); OK; }
cudaError_t cudaHostUnregister(void *p) { leave(p); OK; }
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) { *free = *total = 80ull << 30; OK; }

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *pointer) {
  int device = device_of(pointer);
  memset(found, 0, sizeof *found);
  found->type = device < 0    ? cudaMemoryTypeUnregistered
                : device == 0 ? cudaMemoryTypeHost
                              : cudaMemoryTypeDevice;
  if (device >= 0) found->devicePointer = (void *)pointer;
  if (device == 0) found->hostPointer = (void *)pointer;
  if (device > 0) found->device = device - 1;
  OK;
}

/* ---- copies: the host waits for one from or to pageable memory */

static void copy(void *to, const void *from, size_t size) {
  int there = device_of(to), here = device_of(from);
  if (there > 0 && here > 0) fake_count(COPY_ON_DEVICE);
  else if (there < 0 || here < 0) fake_count(PAGEABLE_COPY);
  else fake_count(PINNED_COPY);
  memmove(to, from, size);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
  copy(to, from, n);
  OK;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind kind) {
  copy(to, from, n);
  fake_count(SYNCHRONISATION);
  OK;
}

cudaError_t cudaMemcpyToSymbol(const void *to, const void *from, size_t n, size_t offset,
                               enum cudaMemcpyKind kind) {
  fake_count(PAGEABLE_COPY);
  OK;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t n, cudaStream_t stream) {
  fake_count(MEMSET);
  memset(p, value, n);
  OK;
}

cudaError_t cudaMemset(void *p, int value, size_t n) { return cudaMemsetAsync(p, value, n, 0); }

cudaError_t cudaGetSymbolAddress(void **p, const void *symbol) {
  static char room[1 << 16];
  *p = room;
  OK;
}

/* ---- devices */

cudaError_t cudaGetDeviceCount(int *number) { *number = number_of_devices(); OK; }
cudaError_t cudaGetDevice(int *device) { *device = current; OK; }
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= number_of_devices()) return cudaErrorInvalidDevice;
  current = device;
  OK;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *found, int device) {
  memset(found, 0, sizeof *found);
  strcpy(found->name, "Counterfeit GPU");
  found->major = 9;
  found->multiProcessorCount = 132;
  found->maxThreadsPerMultiProcessor = 2048;
  found->maxThreadsPerBlock = 1024;
  found->sharedMemPerBlock = 49152;
  found->sharedMemPerBlockOptin = 232448;
  found->sharedMemPerMultiprocessor = 233472;
  found->regsPerBlock = found->regsPerMultiprocessor = 65536;
  found->warpSize = 32;
  found->totalGlobalMem = 80ull << 30;
  found->maxGridSize[0] = 2147483647;
  found->maxGridSize[1] = found->maxGridSize[2] = 65535;
  found->maxThreadsDim[0] = found->maxThreadsDim[1] = 1024;
  found->maxThreadsDim[2] = 64;
  found->l2CacheSize = 50 << 20;
  found->totalConstMem = 65536;
  found->textureAlignment = 512;
  found->maxBlocksPerMultiProcessor = 32;
  found->concurrentKernels = found->unifiedAddressing = found->canMapHostMemory = 1;
  OK;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
  struct cudaDeviceProp of;
  cudaGetDeviceProperties(&of, device);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = of.major; break;
    case cudaDevAttrMultiProcessorCount: *value = of.multiProcessorCount; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = of.maxThreadsPerBlock; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = of.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = of.sharedMemPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = of.sharedMemPerBlockOptin; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = of.sharedMemPerMultiprocessor; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = of.regsPerBlock; break;
    case cudaDevAttrWarpSize: *value = of.warpSize; break;
    case cudaDevAttrMaxGridDimX: *value = of.maxGridSize[0]; break;
    case cudaDevAttrMaxGridDimY: *value = of.maxGridSize[1]; break;
    case cudaDevAttrMaxGridDimZ: *value = of.maxGridSize[2]; break;
    case cudaDevAttrMaxBlockDimX: *value = of.maxThreadsDim[0]; break;
    case cudaDevAttrMaxBlockDimY: *value = of.maxThreadsDim[1]; break;
    default: *value = 0;
  }
  OK;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device) {
  snprintf(text, size, "0000:01:00.0");
  OK;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  OK;
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) { *can = 0; OK; }
cudaError_t cudaDeviceSynchronize(void) { fake_count(SYNCHRONISATION); OK; }
cudaError_t cudaDriverGetVersion(int *version) { *version = CUDART_VERSION; OK; }
cudaError_t cudaRuntimeGetVersion(int *version) { *version = CUDART_VERSION; OK; }
const char *cudaGetErrorString(cudaError_t error) { return "counterfeit error"; }
const char *cudaGetErrorName(cudaError_t error) { return "counterfeitError"; }

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *is_active);
static int succeed(void) { return 0; }

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                             unsigned long long flags,
                                             enum cudaDriverEntryPointQueryResult *result) {
  int is_state = !strcmp(name, "cuDevicePrimaryCtxGetState");
  *function = is_state ? (void *)cuDevicePrimaryCtxGetState : (void *)succeed;
  if (result) *result = cudaDriverEntryPointSuccess;
  OK;
}

/* ---- streams and events: all is done at once */

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  *stream = calloc(1, 16);
  OK;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { fake_count(SYNCHRONISATION); OK; }
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  *status = cudaStreamCaptureStatusNone;
  OK;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, enum cudaStreamCaptureStatus *status,
                                     unsigned long long *id, cudaGraph_t *graph,
                                     const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges,
                                     size_t *number) {
  if (status) *status = cudaStreamCaptureStatusNone;
  if (id) *id = 0;
  if (number) *number = 0;
  OK;
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function, void *data,
                                  unsigned flags) {
  function(stream, cudaSuccess, data);
  OK;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  function(data);
  OK;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * time.tv_sec + 1e-6 * time.tv_nsec;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  *event = calloc(1, sizeof(double));
  OK;
}
cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { free(event); OK; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { *(double *)event = now(); OK; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return cudaEventRecord(event, stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { fake_count(SYNCHRONISATION); OK; }
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = (float)(*(double *)end - *(double *)start);
  OK;
}

/* ---- kernels: registered, configured and launched without effect */

void **__cudaRegisterFatBinary(void *binary) {
  static void *handle;
  return &handle;
}

static __thread struct {
  dim3 grid, block;
  size_t memory;
  void *stream;
} configured;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t memory, void *stream) {
  configured.grid = grid;
  configured.block = block;
  configured.memory = memory;
  configured.stream = stream;
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *memory, void *stream) {
  *grid = configured.grid;
  *block = configured.block;
  *memory = configured.memory;
  *(void **)stream = configured.stream;
  OK;
}
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *host) {
  *kernel = (cudaKernel_t)host;
  OK;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments,
                               size_t memory, cudaStream_t stream) {
  fake_count(LAUNCH);
  OK;
}
cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments,
                             size_t memory, cudaStream_t stream) {
  fake_count(LAUNCH);
  OK;
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel,
                                void **arguments) {
  fake_count(LAUNCH);
  OK;
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *kernel) {
  memset(found, 0, sizeof *found);
  found->maxThreadsPerBlock = 1024;
  found->numRegs = 32;
  found->ptxVersion = found->binaryVersion = 90;
  found->maxDynamicSharedSizeBytes = 49152;
  OK;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *kernel,
                                                                   int size, size_t memory,
                                                                   unsigned flags) {
  *blocks = 2;
  OK;
}
