package gunzip

// The types of blocks.
const (
	storedBlock  = 0
	fixedBlock   = 1
	dynamicBlock = 2
)

// readBlockHeader reads the header of a block with its codes, or goes on to the trailer behind the last block.
func (r *Reader) readBlockHeader() error {
	if r.isFinal {
		r.state = inTrailer
		return nil
	}
	if err := r.ensure(inputSlack); err != nil {
		return err
	}
	r.refill()
	r.isFinal = r.take(1) == 1
	kind := r.take(2)
	r.state = inCodes
	var err error
	switch kind {
	case storedBlock:
		r.state = inStored
		err = r.readStoredHeader()
	case fixedBlock:
		r.buildFixed()
	case dynamicBlock:
		err = r.readCodes()
	default:
		err = ErrData
	}
	if r.isOverrun() {
		return ErrTruncated
	}
	return err
}

func (r *Reader) readStoredHeader() error {
	r.take(r.count & 7)
	r.refill()
	size, complement := r.take(16), r.take(16)
	// The bytes that follow are copied from the buffer.
	r.giveBack()
	if size != complement^0xffff {
		return ErrData
	}
	r.stored = int(size)
	return nil
}

// copyStored copies what is there of a stored block, up to the limit.
func (r *Reader) copyStored(limit int) error {
	if r.stored == 0 {
		r.state = inBlockHeader
		return nil
	}
	if err := r.ensure(1); err != nil {
		return err
	}
	if r.at == r.end {
		return ErrTruncated
	}
	n := copy(r.window[r.out:limit], r.buffer[r.at:min(r.end, r.at+r.stored)])
	r.at += n
	r.out += n
	r.stored -= n
	return nil
}

// lengthCodes is the order in which a dynamic block's header gives the lengths of the code for code lengths.
var lengthCodes = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

const (
	maxLiterals  = 286
	maxDistances = 30
)

// readCodes reads the codes of a dynamic block.
func (r *Reader) readCodes() error {
	literals := int(r.take(5)) + 257
	distances := int(r.take(5)) + 1
	given := int(r.take(4)) + 4
	if literals > maxLiterals || distances > maxDistances {
		return ErrData
	}
	var lengths [len(lengthCodes)]uint8
	for _, symbol := range lengthCodes[:given] {
		if r.count < 3 {
			r.refill()
		}
		lengths[symbol] = uint8(r.take(3))
	}
	if !r.buildLengths(lengths[:]) {
		return ErrData
	}
	if err := r.readLengths(literals + distances); err != nil {
		return err
	}
	r.isFixed = false
	if !r.buildLiterals(r.lengths[:literals]) || !r.buildDistances(r.lengths[literals:literals+distances]) {
		return ErrData
	}
	return nil
}

// Symbols of the code for code lengths that stand for several lengths.
const (
	repeatLast   = 16 // the last length 3 to 6 times
	repeatZero   = 17 // zero 3 to 10 times
	repeatZeroes = 18 // zero 11 to 138 times
)

// readLengths reads the lengths of so many codes.
func (r *Reader) readLengths(total int) error {
	for i := 0; i < total; {
		if r.count < maxLengthCode+7 {
			if r.at > r.end {
				return ErrTruncated
			}
			r.refill()
		}
		entry := r.lengthTable[r.bits&(1<<maxLengthCode-1)]
		if entry == 0 {
			return ErrData
		}
		r.take(entry & 7)
		symbol := entry >> 3
		if symbol < repeatLast {
			r.lengths[i] = symbol
			i++
			continue
		}
		var times int
		var length uint8
		switch symbol {
		case repeatLast:
			if i == 0 {
				return ErrData
			}
			times, length = 3+int(r.take(2)), r.lengths[i-1]
		case repeatZero:
			times = 3 + int(r.take(3))
		case repeatZeroes:
			times = 11 + int(r.take(7))
		}
		if times > total-i {
			return ErrData
		}
		for range times {
			r.lengths[i] = length
			i++
		}
	}
	return nil
}
