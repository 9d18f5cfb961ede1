package gunzip

// fastInput is how much of the input one round of the fast loop can take out, and load beyond that.
const fastInput = 32

// decodeFast decodes a block of codes while the input has fastInput bytes and the output is below its limit, behind which
// it has outputSlack. Nothing is split where it stops.
//
// Of the 56 bits that a refill makes available at the least, three entries take 3*literalBits, or two entries of the first
// table and one of a second, with its extra bits, 2*literalBits+maxCode+5; a distance takes maxCode+13. The next entry is
// looked up as soon as its bits are there, before what the last one stands for is done.
func (r *Reader) decodeFast(limit int) error {
	var (
		literals, distances = &r.literals, &r.distances
		in, out             = memoryOf(r.buffer), memoryOf(r.window)
		at, to              = r.at, r.out
		lastAt              = r.end - fastInput
		bits, count         = r.bits, r.count
		saved               uint64
		err                 error
	)
	bits |= in.load64(at) << (count & 63)
	at += int((63 - count) >> 3)
	count |= 56
	entry := literals[bits&(1<<literalBits-1)]
	for at <= lastAt && to < limit {
		bits |= in.load64(at) << (count & 63)
		at += int((63 - count) >> 3)
		count |= 56

		saved = bits
		bits >>= entry & consumedMask
		count -= uint8(entry)
		out.store16(to, uint16(entry>>firstShift))
		to += int(entry >> literalShift & literalMask)
		if entry&hasLength == 0 {
			entry = literals[bits&(1<<literalBits-1)]
			saved = bits
			bits >>= entry & consumedMask
			count -= uint8(entry)
			out.store16(to, uint16(entry>>firstShift))
			to += int(entry >> literalShift & literalMask)
			if entry&hasLength == 0 {
				entry = literals[bits&(1<<literalBits-1)]
				saved = bits
				bits >>= entry & consumedMask
				count -= uint8(entry)
				out.store16(to, uint16(entry>>firstShift))
				to += int(entry >> literalShift & literalMask)
				if entry&hasLength == 0 {
					entry = literals[bits&(1<<literalBits-1)]
					continue
				}
			}
		}
		if entry&isSpecial != 0 {
			second := uint64(entry >> firstShift)
			if second >= 1<<literalBits {
				entry = literals[(second+saved>>literalBits&r.literalSecond)&(uint64(len(literals))-1)]
				bits >>= entry & consumedMask
				count -= uint8(entry)
				out.store16(to, uint16(entry>>firstShift))
				to += int(entry >> literalShift & literalMask)
				if entry&hasLength == 0 {
					entry = literals[bits&(1<<literalBits-1)]
					continue
				}
			}
			if entry&isSpecial != 0 {
				if entry>>firstShift != endOfBlock>>firstShift {
					err = ErrData
					break
				}
				codeBits := uint8(entry >> codeShift & codeMask)
				bits >>= codeBits & 63
				count -= codeBits
				r.state = inBlockHeader
				break
			}
		}
		length := int(entry>>secondShift) + minLength + int(saved&(1<<(entry&consumedMask)-1)>>(entry>>codeShift&codeMask))

		bits |= in.load64(at) << (count & 63)
		at += int((63 - count) >> 3)
		count |= 56
		entry = distances[bits&(1<<distanceBits-1)]
		if entry&isSpecial != 0 {
			second := uint64(entry >> firstShift)
			entry = distances[(second+bits>>distanceBits&r.distanceSecond)&(uint64(len(distances))-1)]
			if second < 1<<distanceBits || entry&isSpecial != 0 {
				err = ErrData
				break
			}
		}
		distance := int(entry>>firstShift) + int(bits&(1<<(entry&consumedMask)-1)>>(entry>>codeShift&codeMask))
		bits >>= entry & consumedMask
		count -= uint8(entry)
		from := to - distance
		if from < r.floor {
			err = ErrData
			break
		}
		entry = literals[bits&(1<<literalBits-1)]

		end := to + length
		switch {
		case distance >= 16:
			out.copy64(to, from)
			for to += 64; to < end; to += 64 {
				from += 64
				out.copy64(to, from)
			}
		case distance >= 8:
			for ; to < end; to += 8 {
				out.copy8(to, from)
				from += 8
			}
		default:
			// Each copy doubles what repeats, until eight bytes of it are there.
			for ; distance < 8; distance += distance {
				out.copy8(to, from)
				to += distance
			}
			for ; to < end; to += 8 {
				out.copy8(to, to-distance)
			}
		}
		to = end
	}
	r.at, r.out, r.bits, r.count = at, to, bits, count
	return err
}
