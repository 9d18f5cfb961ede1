#include "textflag.h"

// Each block of 64 bytes becomes masks of one bit a byte: quotes, backslashes, brackets with commas and colons, white
// space, control characters. An escape's backslash takes what follows it out of the quotes. The product of the quotes with
// all ones, without carries, is the mask of what stands in strings. The tokens that are left are compressed to the front
// of the block: their kinds, and their positions in it.
//
//	SI   the block                        R9   its position
//	CX   bytes left from there            R8   where the next escape goes
//	DI   where the next position goes     R10  where the next kind goes
//	R13  1 if an escape goes on in the block
//	R15  all ones if a string does        scalar-8(SP)  1 if a scalar does

DATA brackets<>+0(SB)/8, $0
DATA brackets<>+8(SB)/8, $0x00007d2c7b3a0000
GLOBL brackets<>(SB), RODATA|NOPTR, $16

// The white space that has this low half; where none has, a byte of another one.
DATA spaces<>+0(SB)/8, $0x0101010101010020
DATA spaces<>+8(SB)/8, $0x01010d01010a0901
GLOBL spaces<>(SB), RODATA|NOPTR, $16

DATA ascending<>+0(SB)/8, $0x0706050403020100
DATA ascending<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA ascending<>+16(SB)/8, $0x1716151413121110
DATA ascending<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA ascending<>+32(SB)/8, $0x2726252423222120
DATA ascending<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA ascending<>+48(SB)/8, $0x3736353433323130
DATA ascending<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL ascending<>(SB), RODATA|NOPTR, $64

#define BYTES(byte, z) \
	MOVL byte, AX      \
	VPBROADCASTB AX, z

// func tokenizeAVX512(b *byte, n int, positions *uint16, kinds *byte, escapes *uint16) (count, escapeCount int, isSound bool)
TEXT ·tokenizeAVX512(SB), NOSPLIT, $16-57
	MOVQ b+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ positions+16(FP), DI
	MOVQ kinds+24(FP), R10
	MOVQ escapes+32(FP), R8
	XORL R9, R9
	XORL R13, R13
	XORL R15, R15
	MOVQ R15, scalar-8(SP)
	KXORQ K6, K6, K6 // control characters in strings

	BYTES($0x22, Z16) // quotes
	BYTES($0x5c, Z17) // backslashes
	BYTES($0x20, Z18)
	VBROADCASTI32X4 brackets<>(SB), Z19
	VBROADCASTI32X4 spaces<>(SB), Z20
	VMOVDQU64 ascending<>(SB), Z21
	VPXORQ Z22, Z22, Z22 // the block's position
	MOVL $64, AX
	VPBROADCASTW AX, Z23
	VPCMPEQB X11, X11, X11

	CMPQ CX, $64
	JLT last

block:
	VMOVDQU8 (SI), Z0

classify:
	VPCMPEQB Z16, Z0, K1
	VPCMPEQB Z17, Z0, K2
	VPSHUFB Z0, Z19, Z1
	VPORQ Z18, Z0, Z2 // a bracket and its other half differ by 0x20
	VPCMPEQB Z2, Z1, K3
	VPSHUFB Z0, Z20, Z1
	VPCMPEQB Z0, Z1, K4
	VPCMPUB $1, Z18, Z0, K5
	KMOVQ K1, AX
	KMOVQ K2, BX
	KMOVQ K3, R11
	KMOVQ K4, R12
	MOVQ BX, DX
	ORQ R13, DX
	JNZ escapes

unescaped:
	// R12: what may be of scalars, which quotes are not. R11: brackets and the first bytes of scalars, also in strings.
	ORQ R11, R12
	ORQ AX, R12
	NOTQ R12
	MOVQ R12, DX
	SHLQ $1, DX
	ORQ scalar-8(SP), DX
	ANDNQ R12, DX, DX
	ORQ DX, R11
	SHRQ $63, R12
	MOVQ R12, scalar-8(SP)

	// DX: what stands in strings, from their opening quotes up to before their closing ones.
	MOVQ AX, X2
	VPCLMULQDQ $0, X11, X2, X2
	MOVQ X2, DX
	XORQ R15, DX
	MOVQ DX, R15
	SARQ $63, R15
	KMOVQ DX, K4
	KANDQ K5, K4, K5
	KORQ K5, K6, K6

	// K4: the tokens.
	ANDNQ R11, DX, R11
	ANDQ DX, AX
	ORQ R11, AX
	KMOVQ AX, K4
	POPCNTQ AX, AX
	KORQ K1, K3, K3
	VMOVDQU8.Z Z0, K3, Z1
	VPCOMPRESSB.Z Z1, K4, Z1
	VMOVDQU64 Z1, (R10)
	VPCOMPRESSB.Z Z21, K4, Z1
	VPMOVZXBW Y1, Z2
	VPADDW Z22, Z2, Z2
	VMOVDQU64 Z2, (DI)
	CMPQ AX, $32
	JGT more

next:
	LEAQ (DI)(AX*2), DI
	ADDQ AX, R10
	ADDQ $64, SI
	ADDQ $64, R9
	VPADDW Z23, Z22, Z22
	SUBQ $64, CX
	CMPQ CX, $64
	JGE block
	TESTQ CX, CX
	JLE end

last:
	// What is behind the line becomes white space.
	MOVQ $-1, AX
	BZHIQ CX, AX, AX
	KMOVQ AX, K1
	VMOVDQA64 Z18, Z0
	VMOVDQU8 (SI), K1, Z0
	JMP classify

end:
	SUBQ kinds+24(FP), R10
	MOVQ R10, count+40(FP)
	SUBQ escapes+32(FP), R8
	SHRQ $1, R8
	MOVQ R8, escapeCount+48(FP)
	KMOVQ K6, AX
	ORQ R15, AX
	SETEQ isSound+56(FP)
	VZEROUPPER
	RET

more:
	VEXTRACTI64X4 $1, Z1, Y1
	VPMOVZXBW Y1, Z2
	VPADDW Z22, Z2, Z2
	VMOVDQU64 Z2, 64(DI)
	JMP next

escapes:
	NOTQ R13
	ANDQ R13, AX
	ANDQ R13, BX
	XORL R13, R13
	TESTQ BX, BX
	JZ unescaped

escape:
	TZCNTQ BX, DX
	ADDL R9, DX
	MOVW DX, (R8)
	ADDQ $2, R8
	BLSIQ BX, DX
	TESTQ DX, DX
	JLT across
	LEAQ (DX)(DX*2), DX // the backslash and what follows it
	ANDNQ AX, DX, AX
	ANDNQ BX, DX, BX
	TESTQ BX, BX
	JNZ escape
	JMP unescaped

across:
	// The last byte of the block is the backslash, what follows it is in the next one.
	MOVL $1, R13
	JMP unescaped
