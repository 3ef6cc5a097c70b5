# SPDX-License-Identifier: Apache-2.0
# HiGHS as the package highsbox brings it into the checkout's .venv. Its own CMake files point at folders that are not
# there, and it is built with the old C++ ABI: only the C interface is used.
file(GLOB DEEPTM_HIGHSBOX ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/highsbox/highs_dist)
set(DEEPTM_HIGHS_ROOT "${DEEPTM_HIGHSBOX}" CACHE PATH "Folder with include/highs and lib/libhighs.so")
find_path(DEEPTM_HIGHS_INCLUDE highs/interfaces/highs_c_api.h HINTS ${DEEPTM_HIGHS_ROOT}/include REQUIRED)
find_library(DEEPTM_HIGHS_LIBRARY highs HINTS ${DEEPTM_HIGHS_ROOT}/lib REQUIRED)
add_library(highs_c SHARED IMPORTED)
set_target_properties(highs_c PROPERTIES IMPORTED_LOCATION ${DEEPTM_HIGHS_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES "${DEEPTM_HIGHS_INCLUDE};${DEEPTM_HIGHS_INCLUDE}/highs")
