package gunzip

// decodeCarefully decodes a block of codes symbol by symbol near the input's end, which zeros follow.
func (r *Reader) decodeCarefully(limit int) error {
	for r.out < limit {
		r.refill()
		entry := r.literals[r.bits&(1<<literalBits-1)]
		if second := int(entry >> firstShift); entry&isSpecial != 0 && second >= 1<<literalBits {
			entry = r.literals[second+int(r.bits>>literalBits&r.literalSecond)]
		}
		if entry&isSpecial != 0 {
			r.take(uint8(entry >> codeShift & codeMask))
			switch {
			case r.isOverrun():
				return ErrTruncated
			case entry>>firstShift != endOfBlock>>firstShift:
				return ErrData
			}
			r.state = inBlockHeader
			return nil
		}
		length := 0
		if entry&hasLength != 0 {
			length = int(entry>>secondShift) + minLength + r.extra(entry)
		}
		r.take(uint8(entry & consumedMask))
		if r.isOverrun() {
			return ErrTruncated
		}
		r.window[r.out] = uint8(entry >> firstShift)
		r.window[r.out+1] = uint8(entry >> secondShift)
		r.out += int(entry >> literalShift & literalMask)
		if length == 0 {
			continue
		}
		distance, err := r.readDistance()
		if err != nil {
			return err
		}
		for range length {
			r.window[r.out] = r.window[r.out-distance]
			r.out++
		}
	}
	return nil
}

// extra is the value of an entry's extra bits, which follow its codes.
func (r *Reader) extra(entry uint32) int {
	return int(r.bits & (1<<(entry&consumedMask) - 1) >> (entry >> codeShift & codeMask))
}

func (r *Reader) readDistance() (int, error) {
	r.refill()
	entry := r.distances[r.bits&(1<<distanceBits-1)]
	if second := int(entry >> firstShift); entry&isSpecial != 0 && second >= 1<<distanceBits {
		entry = r.distances[second+int(r.bits>>distanceBits&r.distanceSecond)]
	}
	distance := int(entry>>firstShift) + r.extra(entry)
	r.take(uint8(entry & consumedMask))
	switch {
	case r.isOverrun():
		return 0, ErrTruncated
	case entry&isSpecial != 0, distance > r.out-r.floor:
		return 0, ErrData
	}
	return distance, nil
}
