# Comments of the sources as Doxygen wants them: a line of its own documents what follows, one behind code what is before it.
/SPDX-License-Identifier/d
s,^\( *\)// ,\1/// ,
s,\([;\,{]\)  *// ,\1  ///< ,
s,^\( *\)/\*$,\1/**,
s,^\( *\)/\* ,\1/** ,
s,\([;\,{]\)  */\* ,\1  /**< ,
