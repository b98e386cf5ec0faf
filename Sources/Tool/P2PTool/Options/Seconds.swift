import ArgumentParser

/// A number of seconds on the command line, such as `2` or `0.25`.
struct Seconds: ExpressibleByArgument, Equatable {
    /// The longest time that is accepted, in seconds: thirty days.
    static let maximum = 2_592_000.0

    let duration: Duration

    init(_ seconds: Double) { self.duration = .milliseconds(Int64(min(max(0, seconds), Self.maximum) * 1_000)) }

    init?(argument: String) {
        guard let seconds = Double(argument), seconds >= 0, seconds <= Self.maximum else { return nil }
        self.init(seconds)
    }

    var defaultValueDescription: String { "\(self.duration.components.seconds)" }
}
