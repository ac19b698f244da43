/* The functions of cuBLAS and cuDNN that must answer something; build.py writes the others. */
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <stdlib.h>
#include <string.h>

int cublasGetMathMode(void *handle, int *mode) { *mode = 0; return 0; }
int cublasGetPointerMode_v2(void *handle, int *mode) { *mode = 0; return 0; }

/* a cublasLtMatmulHeuristicResult_t has 96 bytes, whose state is the success 0 */
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *operation, void *a, void *b, void *c, void *d,
                                   void *preference, int wanted, char *results, int *found) {
  memset(results, 0, 96 * wanted);
  *found = 1;
  return 0;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t *stream) { *stream = 0; return 0; }

/* workspaces, all of no size */
#define NONE(name, ...) \
  cudnnStatus_t name(__VA_ARGS__, size_t *size) { *size = 0; return 0; }
#define TENSOR const cudnnTensorDescriptor_t
#define FILTER const cudnnFilterDescriptor_t
#define CONVOLUTION const cudnnConvolutionDescriptor_t

NONE(cudnnGetConvolutionForwardWorkspaceSize, cudnnHandle_t h, TENSOR x, FILTER w, CONVOLUTION c,
     TENSOR y, cudnnConvolutionFwdAlgo_t algorithm)
NONE(cudnnGetConvolutionBackwardDataWorkspaceSize, cudnnHandle_t h, FILTER w, TENSOR dy,
     CONVOLUTION c, TENSOR dx, cudnnConvolutionBwdDataAlgo_t algorithm)
NONE(cudnnGetConvolutionBackwardFilterWorkspaceSize, cudnnHandle_t h, TENSOR x, TENSOR dy,
     CONVOLUTION c, FILTER dw, cudnnConvolutionBwdFilterAlgo_t algorithm)
NONE(cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize, cudnnHandle_t h,
     cudnnBatchNormMode_t mode, cudnnBatchNormOps_t operation, TENSOR x, TENSOR z, TENSOR y,
     TENSOR parameters, const cudnnActivationDescriptor_t activation)
NONE(cudnnGetBatchNormalizationBackwardExWorkspaceSize, cudnnHandle_t h, cudnnBatchNormMode_t mode,
     cudnnBatchNormOps_t operation, TENSOR x, TENSOR y, TENSOR dy, TENSOR dz, TENSOR dx,
     TENSOR parameters, const cudnnActivationDescriptor_t activation)
NONE(cudnnGetBatchNormalizationTrainingExReserveSpaceSize, cudnnHandle_t h,
     cudnnBatchNormMode_t mode, cudnnBatchNormOps_t operation,
     const cudnnActivationDescriptor_t activation, TENSOR x)

/* algorithms of a convolution: one, which is deterministic */
#define ONE(name, A, B, D, RESULT)                                                           \
  cudnnStatus_t name(cudnnHandle_t h, A a, B b, CONVOLUTION c, D d, const int wanted,        \
                     int *found, RESULT *results) {                                          \
    memset(results, 0, wanted * sizeof *results);                                            \
    results[0].algo = 1;                                                                     \
    results[0].determinism = CUDNN_DETERMINISTIC;                                            \
    *found = 1;                                                                              \
    return 0;                                                                                \
  }

ONE(cudnnGetConvolutionForwardAlgorithm_v7, TENSOR, FILTER, TENSOR, cudnnConvolutionFwdAlgoPerf_t)
ONE(cudnnGetConvolutionBackwardDataAlgorithm_v7, FILTER, TENSOR, TENSOR,
    cudnnConvolutionBwdDataAlgoPerf_t)
ONE(cudnnGetConvolutionBackwardFilterAlgorithm_v7, TENSOR, TENSOR, FILTER,
    cudnnConvolutionBwdFilterAlgoPerf_t)
