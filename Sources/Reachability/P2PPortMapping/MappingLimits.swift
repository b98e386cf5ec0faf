import NIOCore

/// Times and bounds of port mapping: what routers are asked, how often, and what they may answer.
enum MappingLimits {
    /// Ports that are mapped; a node listens on few.
    static let ports = 16
    /// Seconds for which a mapping is asked.
    static let lifetime: UInt32 = 7_200
    /// The longest lifetime that is believed, in seconds; a day.
    static let longestLifetime: UInt32 = 86_400
    /// The shortest lifetime with which a mapping is of use, in seconds, and the least time from one renewal to the next.
    static let shortestLifetime: UInt32 = 60
    static let leastPause = TimeAmount.seconds(60)
    /// How often a gateway is asked whether it still knows.
    static let checkInterval = TimeAmount.minutes(10)
    /// What holds an error that may pass soon, and one that will not.
    static let shortRefusal = TimeAmount.seconds(30)
    static let longRefusal = TimeAmount.minutes(30)

    /// When silence of PCP and NAT-PMP means that they are not spoken.
    static let gatewayPatience = TimeAmount.seconds(4)
    /// When SSDP has found whom it is going to find.
    static let searchPatience = TimeAmount.seconds(5)
    /// When all that was begun is over, whatever has come of it.
    static let roundPatience = TimeAmount.seconds(10)
    /// For one request by HTTP, from the connect on.
    static let requestPatience = TimeAmount.seconds(3)
    /// From a round that found nobody to the next, and after three such rounds.
    static let roundPause = TimeAmount.minutes(15)
    static let longRoundPause = TimeAmount.hours(1)
    /// For saying goodbye to a router.
    static let closingPatience = TimeAmount.milliseconds(900)

    /// Of SSDP: answers of one search that are looked at, the bytes of one, and devices.
    static let searchAnswers = 64
    static let searchAnswerLength = 2_048
    static let devices = 8
    /// Bytes of a device's description, of an answer to an action, and of the head of either.
    static let descriptionLength = 64 * 1_024
    static let answerLength = 16 * 1_024
    static let headLength = 8 * 1_024
    /// Of XML: elements within each other, and services in a description.
    static let depth = 16
    static let services = 64
    /// Bytes of a URL.
    static let urlLength = 1_024
    /// Requests for one port in one round: each error has one cure, and there are three.
    static let attempts = 4
}
