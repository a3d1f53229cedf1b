# What every target shares: language level, warnings as errors, the include root.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# No NDEBUG on the host: an assertion that the release build drops is one no test has seen hold.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

add_library(nusec_options INTERFACE)
target_compile_options(nusec_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wvla -Wundef -fno-common -fstack-protector-strong)
option(NUSEC_ASAN "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(NUSEC_ASAN)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
option(NUSEC_FUZZ "libFuzzer targets (clang)" OFF)

# Engines call the crypto port and a program names its implementation, so libraries need each other
# in no fixed order: let the linker search them as one group.
set(CMAKE_C_LINK_EXECUTABLE
  "<CMAKE_C_COMPILER> <FLAGS> <CMAKE_C_LINK_FLAGS> <LINK_FLAGS> <OBJECTS> -o <TARGET> -Wl,--start-group <LINK_LIBRARIES> -Wl,--end-group")

# nusec_library(name SOURCES a.c ... [PUBLIC libs...] [PRIVATE libs...])
# A static library; headers are included as "<folder>/<header>.h" from lib/, firmware/ or host/.
function(nusec_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE nusec_options ${ARG_PRIVATE})
endfunction()

# nusec_program(name SOURCES ... LIBS ...): a host executable.
function(nusec_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE nusec_options ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# nusec_test(name SOURCES ... LIBS ...): a cmocka test beside the code; host builds only.
function(nusec_test name)
  if(CMAKE_CROSSCOMPILING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE nusec_options ${ARG_LIBS} cmocka)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endfunction()

# nusec_fuzz(name SOURCES ... LIBS ...): a libFuzzer target, built only by the `fuzz` preset.
function(nusec_fuzz name)
  if(NOT NUSEC_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE nusec_options ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
