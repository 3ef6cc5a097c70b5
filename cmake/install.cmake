# SPDX-License-Identifier: Apache-2.0
# What an installation holds, under a prefix or (SKBUILD) inside the Python package, and how CMake projects find it.
include(CMakePackageConfigHelpers)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/deeptm)
set(share ${CMAKE_INSTALL_DATADIR}/deeptm)

# Where the solver is: in the package `highsbox` that lies beside this one, or where it was built with.
cmake_path(GET DEEPTM_HIGHS_LIBRARY PARENT_PATH solver)
if(SKBUILD)
  set(solver "$ORIGIN/../../highsbox/highs_dist/lib")
endif()
set_target_properties(deeptm deeptm_command PROPERTIES INSTALL_RPATH ${solver})

if(NOT SKBUILD)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/python DESTINATION ${share} PATTERN __pycache__ EXCLUDE)
endif()

install(TARGETS deeptm_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS deeptm EXPORT deeptm-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/deeptm/runtime.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/deeptm)
# As in a checkout, so that the documentation's links lead somewhere.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/adapters ${PROJECT_SOURCE_DIR}/graphs ${PROJECT_SOURCE_DIR}/docs ${PROJECT_SOURCE_DIR}/examples
  DESTINATION ${share} PATTERN __pycache__ EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${share})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/third_party/d3/README.md DESTINATION ${share}/licenses)

install(EXPORT deeptm-targets NAMESPACE deeptm:: DESTINATION ${config})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/deeptm-config.cmake.in ${PROJECT_BINARY_DIR}/deeptm-config.cmake
  INSTALL_DESTINATION ${config} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/deeptm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/deeptm-config.cmake ${PROJECT_BINARY_DIR}/deeptm-config-version.cmake
  DESTINATION ${config})

if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -D MANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt
    -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake)
endif()
