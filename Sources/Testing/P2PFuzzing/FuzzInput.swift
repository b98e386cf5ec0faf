/// The bytes of one fuzzing run, taken from the front as decisions; when they are used up, every decision is zero.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        self.rest = bytes[...]
    }

    /// Whether every byte was taken.
    var isEmpty: Bool { self.rest.isEmpty }

    /// The next byte.
    mutating func byte() -> UInt8 { self.rest.popFirst() ?? 0 }

    /// The next two bytes, the first one higher.
    mutating func short() -> Int { Int(self.byte()) << 8 | Int(self.byte()) }

    /// The next four bytes, the first one highest.
    mutating func word() -> UInt32 { (0..<4).reduce(0) { word, _ in word << 8 | UInt32(self.byte()) } }

    /// A number below `bound`, from one byte or two.
    mutating func number(below bound: Int) -> Int {
        (bound <= 256 ? Int(self.byte()) : self.short()) % bound
    }

    /// A number of bytes from one byte: mostly small, now and then up to a megabyte, often next to a power of two.
    mutating func size() -> Int {
        let byte = self.byte()
        let power = 1 << (Int(byte & 0x0f) + (byte & 0x80 == 0 ? 0 : 5))
        return max(0, power + Int(byte >> 4 & 0x07) - 3)
    }

    /// The next bytes, at most `count`.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(self.rest.prefix(count))
        self.rest = self.rest.dropFirst(taken.count)
        return taken
    }

    /// All the other bytes.
    mutating func remainder() -> [UInt8] { self.take(self.rest.count) }

    /// Cuts bytes as a network might: whole for 0, else into pieces whose sizes follow from `seed`; 1 gives single bytes.
    static func pieces(of bytes: [UInt8], seed: UInt8) -> [[UInt8]] {
        guard seed > 0 else { return bytes.isEmpty ? [] : [bytes] }
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        var state = UInt32(seed)
        while !rest.isEmpty {
            state = state &* 1_664_525 &+ 1_013_904_223
            let size = 1 + Int(state >> 16) % Int(seed)
            pieces.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return pieces
    }
}
