#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// A moment of the calendar, to the second: what certificates are dated with, and rules end at.
///
/// It is an argument wherever dates matter, so that tests need no clock.
package struct WallTime: Hashable, Comparable, Sendable {
    /// Seconds since 1 January 1970, UTC, without leap seconds.
    package var secondsSince1970: Int64

    /// The moment so many seconds after 1 January 1970, UTC.
    package init(secondsSince1970: Int64) {
        self.secondsSince1970 = secondsSince1970
    }

    /// What the system's clock says.
    package static var now: WallTime {
        WallTime(secondsSince1970: Int64(Date().timeIntervalSince1970.rounded(.down)))
    }

    /// The earlier one first.
    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.secondsSince1970 < right.secondsSince1970
    }

    /// The moment of a date in the proleptic Gregorian calendar, UTC, as X.509 and RFC 3339 write it.
    ///
    /// - Precondition: a year from 0 to 9999, and the rest within its ordinary range; their readers have checked them.
    package init(year: Int, month: Int, day: Int, hours: Int, minutes: Int, seconds: Int) {
        // Years begin in March here, so that the leap day is the last of its year.
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * Int64((month + 9) % 12) + 2) / 5 + Int64(day) - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        self.secondsSince1970 = days * 86_400 + Int64(hours) * 3_600 + Int64(minutes) * 60 + Int64(seconds)
    }
}

extension WallTime: CustomStringConvertible {
    /// As in `2026-03-01 08:30:00 UTC`; beyond the years 0 to 9999 seconds since 1970, as in `@253402300800`.
    package var description: String {
        let years = WallTime(year: 0, month: 1, day: 1, hours: 0, minutes: 0, seconds: 0)...Self.lastOfCalendar
        guard years.contains(self) else { return "@\(self.secondsSince1970)" }
        let (days, seconds) = self.daysAndSeconds
        let (year, month, day) = Self.date(daysSince1970: days)
        let fields = [(month, "-"), (day, "-"), (seconds / 3_600, " "), (seconds / 60 % 60, ":"), (seconds % 60, ":")]
        return fields.reduce(Self.padded(year, to: 4)) { $0 + $1.1 + Self.padded($1.0, to: 2) } + " UTC"
    }

    private static let lastOfCalendar = WallTime(year: 9999, month: 12, day: 31, hours: 23, minutes: 59, seconds: 59)

    private var daysAndSeconds: (days: Int64, seconds: Int64) {
        let (quotient, remainder) = self.secondsSince1970.quotientAndRemainder(dividingBy: 86_400)
        return remainder < 0 ? (quotient - 1, remainder + 86_400) : (quotient, remainder)
    }

    /// The reverse of ``init(year:month:day:hours:minutes:seconds:)``.
    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, to count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
