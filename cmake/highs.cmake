# SPDX-License-Identifier: Apache-2.0
# HiGHS as the Python package highsbox brings it: that of the checkout's .venv, else that of the Python in PATH. Its own
# CMake files point at folders that are not there, and it is built with the old C++ ABI: only the C interface is used.
if(NOT DEEPTM_HIGHS_ROOT)
  set(python ${PROJECT_SOURCE_DIR}/.venv/bin/python)
  if(SKBUILD OR NOT EXISTS ${python})
    find_package(Python REQUIRED COMPONENTS Interpreter)
    set(python ${Python_EXECUTABLE})
  endif()
  execute_process(COMMAND ${python} -c "import highsbox; print(highsbox.highs_dist_dir())"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "${python} has no highsbox: pip install highsbox, or set DEEPTM_HIGHS_ROOT to a folder with "
      "include/highs and lib/libhighs.so")
  endif()
  set(DEEPTM_HIGHS_ROOT ${folder} CACHE PATH "Folder with include/highs and lib/libhighs.so")
endif()
find_path(DEEPTM_HIGHS_INCLUDE highs/interfaces/highs_c_api.h HINTS ${DEEPTM_HIGHS_ROOT}/include REQUIRED)
find_library(DEEPTM_HIGHS_LIBRARY highs HINTS ${DEEPTM_HIGHS_ROOT}/lib REQUIRED)
add_library(highs_c SHARED IMPORTED)
set_target_properties(highs_c PROPERTIES IMPORTED_LOCATION ${DEEPTM_HIGHS_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES "${DEEPTM_HIGHS_INCLUDE};${DEEPTM_HIGHS_INCLUDE}/highs")
