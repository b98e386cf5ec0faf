import P2PCore

extension WallTime {
    /// Reads a time as RFC 3339, section 5.6, writes it, such as `2027-01-01T00:00:00Z`; fractions of a second are dropped. Nil for all else.
    init?(internetTime text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard (20...64).contains(bytes.count), [4, 7].allSatisfy({ bytes[$0] == UInt8(ascii: "-") }),
            [13, 16].allSatisfy({ bytes[$0] == UInt8(ascii: ":") }), bytes[10] | 0x20 == UInt8(ascii: "t"),
            let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]), let day = Self.number(bytes[8..<10]),
            let hours = Self.number(bytes[11..<13]), let minutes = Self.number(bytes[14..<16]), let seconds = Self.number(bytes[17..<19]),
            (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day), hours < 24, minutes < 60, seconds <= 60
        else { return nil }
        var rest = bytes[19...]
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            rest = rest.dropFirst(1 + digits.count)
        }
        guard let offset = Self.offset(rest) else { return nil }
        self.init(year: year, month: month, day: day, hours: hours, minutes: minutes, seconds: seconds)
        self.secondsSince1970 -= offset
    }

    /// What local time is ahead by, in seconds.
    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int64? {
        guard let sign = bytes.first else { return nil }
        let rest = Array(bytes.dropFirst())
        if sign | 0x20 == UInt8(ascii: "z") { return rest.isEmpty ? 0 : nil }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), rest.count == 5, rest[2] == UInt8(ascii: ":"),
            let hours = Self.number(rest[0..<2]), let minutes = Self.number(rest[3..<5]), hours < 24, minutes < 60
        else { return nil }
        return Int64(hours * 3_600 + minutes * 60) * (sign == UInt8(ascii: "+") ? 1 : -1)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
