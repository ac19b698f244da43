/* The words of nvcc, for gcc; the wheels of CUDA have no such file. */
#pragma once
#define __no_return__ __attribute__((noreturn))
#define __noinline__ __attribute__((noinline))
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __specialization_static static
#define __thread__ __thread
#define CUDARTAPI
#define CUDARTAPI_CDECL
#define __annotate__(a)
#define __location__(a)
#define __import__
#define __export__
#define __cdecl
#define __host__
#define __device__
#define __global__
#define __shared__
#define __constant__
#define __managed__
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
