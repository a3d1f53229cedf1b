# Prints what an image costs against its budget, and fails when it is over.
#   cmake -DSIZE=<size tool> -DIMAGE=<elf> -DTEXT_MAX=<bytes> -DRAM_MAX=<bytes> -P check_size.cmake
# Text: everything loaded (code, constants, initial data). RAM: data, bss (the hidden part too) and stack.
execute_process(COMMAND ${SIZE} -A -d ${IMAGE} OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)

function(section_size name out)
  if(sections MATCHES "\n${name} +([0-9]+)")
    set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
  else()
    set(${out} 0 PARENT_SCOPE)
  endif()
endfunction()

section_size("\\.header" header)
section_size("\\.text" text)
section_size("\\.data" data)
section_size("\\.bss" bss)
section_size("\\.hidden" hidden)
section_size("\\.stack" stack)
math(EXPR loaded "${header} + ${text} + ${data}")
math(EXPR ram "${data} + ${bss} + ${hidden} + ${stack}")
get_filename_component(name ${IMAGE} NAME)
message(STATUS "${name}: text ${loaded} of ${TEXT_MAX}, RAM ${ram} of ${RAM_MAX} "
  "(data ${data}, bss ${bss}, hidden ${hidden}, stack ${stack})")
if(loaded GREATER TEXT_MAX OR ram GREATER RAM_MAX)
  message(FATAL_ERROR "${name} is over its budget")
endif()
