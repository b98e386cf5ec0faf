import ArgumentParser
import P2PMultiaddr

/// Where a daemon shows its metrics.
struct MetricsOptions: ParsableArguments {
    /// An IP address and a port.
    struct Place: Hashable, Sendable {
        let ip: IPAddress
        let port: UInt16
    }

    @Option(
        help: ArgumentHelp(
            """
            Show metrics at this address in the text format of Prometheus, by HTTP at /metrics, such as 127.0.0.1:9464 or [::1]:0; port 0 lets the \
            system choose, and an event says what it chose. Whoever reaches the port reads them.
            """, valueName: "ip:port"), transform: Self.place)
    var metrics: Place?

    @Flag(help: "Let --metrics be an address that other machines reach.")
    var metricsBeyondLoopback = false

    @Option(
        help: ArgumentHelp(
            "A name, besides IP addresses and localhost, by which --metrics may be asked; repeat it for several.", valueName: "name"))
    var metricsName: [String] = []

    func validate() throws {
        guard let place = self.metrics else {
            if self.metricsBeyondLoopback { throw ValidationError("--metrics-beyond-loopback needs --metrics.") }
            if !self.metricsName.isEmpty { throw ValidationError("--metrics-name needs --metrics.") }
            return
        }
        guard place.ip.isLoopback || self.metricsBeyondLoopback else {
            throw ValidationError(
                "--metrics \(place.ip) is reached by other machines: say --metrics-beyond-loopback as well if they may read it.")
        }
    }

    static func place(_ text: String) throws -> Place {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { throw Self.malformed(text) }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let ip = IPAddress(String(host)), ip.isIPv6 == isBracketed else { throw Self.malformed(text) }
        return Place(ip: ip, port: port)
    }

    private static func malformed(_ text: String) -> ValidationError {
        ValidationError("\(text) is not an IP address and a port, such as 127.0.0.1:9464 or [::1]:0.")
    }
}
