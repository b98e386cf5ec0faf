import P2PCore

/// A moment as RFC 3339 writes it, to the nanosecond: `2126-01-01T00:00:00.000000000Z`.
struct InternetTime: Hashable, Comparable, Sendable {
    /// Whole seconds since 1970, UTC.
    var seconds: Int64
    /// 0 to 999,999,999.
    var nanoseconds: Int64

    init(seconds: Int64, nanoseconds: Int64 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    static func < (left: Self, right: Self) -> Bool { (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds) }

    /// Reads what RFC 3339, section 5.6, allows, with a zone of hours and minutes; nil for all else.
    init?(_ text: some Sequence<UInt8>) {
        let text = Array(text)
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= text.count else { return nil }
            var number = 0
            for byte in text[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                number = number * 10 + Int(byte - 0x30)
            }
            return number
        }
        func isMark(_ index: Int, _ marks: StaticString...) -> Bool {
            index < text.count && marks.contains { $0.utf8Start.pointee == text[index] }
        }
        guard let year = number(0..<4), isMark(4, "-"), let month = number(5..<7), isMark(7, "-"), let day = number(8..<10),
            isMark(10, "T", "t", " "), let hours = number(11..<13), isMark(13, ":"), let minutes = number(14..<16), isMark(16, ":"),
            let seconds = number(17..<19), (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day), hours < 24,
            minutes < 60, seconds <= 60
        else { return nil }
        var index = 19
        self.nanoseconds = 0
        if isMark(index, ".") {
            index += 1
            var (count, unit): (Int, Int64) = (0, 100_000_000)
            while let digit = number(index..<(index + 1)) {
                self.nanoseconds += Int64(digit) * unit
                unit /= 10
                index += 1
                count += 1
            }
            guard (1...18).contains(count) else { return nil }
        }
        var offset: Int64 = 0
        if isMark(index, "Z", "z") {
            index += 1
        } else {
            guard isMark(index, "+", "-"), let hours = number((index + 1)..<(index + 3)), isMark(index + 3, ":"),
                let minutes = number((index + 4)..<(index + 6)), hours < 24, minutes < 60
            else { return nil }
            offset = Int64(hours * 3_600 + minutes * 60) * (isMark(index, "-") ? -1 : 1)
            index += 6
        }
        guard index == text.count else { return nil }
        let wall = WallTime(year: year, month: month, day: day, hours: hours, minutes: minutes, seconds: min(seconds, 59))
        self.seconds = wall.secondsSince1970 + (seconds == 60 ? 1 : 0) - offset
    }

    /// As go writes it: UTC, nine decimals.
    var text: String {
        // `2126-01-01 00:00:00 UTC` within the years 0 to 9999.
        let wall = WallTime(secondsSince1970: self.seconds).description
        let parts = wall.split(separator: " ")
        guard parts.count == 3 else { return "9999-12-31T23:59:59.000000000Z" }
        let digits = String(self.nanoseconds)
        return "\(parts[0])T\(parts[1]).\(String(repeating: "0", count: max(0, 9 - digits.count)))\(digits)Z"
    }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
