#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// A moment of the calendar, to the second: what certificates are dated with.
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

    /// So many seconds later; at the end of time for more than fit.
    package func advanced(by seconds: Int64) -> WallTime {
        let (sum, overflow) = self.secondsSince1970.addingReportingOverflow(seconds)
        return WallTime(secondsSince1970: overflow ? (seconds > 0 ? .max : .min) : sum)
    }

    /// The moment of a date in the proleptic Gregorian calendar, UTC, as X.509 writes it.
    ///
    /// - Precondition: a year from 0 to 9999, and the rest within its ordinary range; the ASN.1 reader has checked them.
    init(year: Int, month: Int, day: Int, hours: Int, minutes: Int, seconds: Int) {
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
    /// Seconds since 1970, such as `@1700000000`.
    package var description: String { "@\(self.secondsSince1970)" }
}
