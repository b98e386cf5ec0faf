import P2PHTTPHead
import P2PMultiaddr

/// The search for gateways by multicast (UPnP Device Architecture 1.1, section 1.3).
enum SSDPMessage {
    /// Where the search goes: 239.255.255.250, or ff02::c on one link.
    static let group = IPAddress(v4: 0xefff_fffa)
    static let groupIPv6 = IPAddress(v6: 0xff02 << 48, 0xc)
    static let port: UInt16 = 1_900
    /// Seconds within which devices choose a moment to answer.
    private static let patience = 2

    /// What is looked for, one after the other (some routers drop searches that come together), and when, in milliseconds. Everything, last,
    /// for routers that answer to nothing else.
    static let targets: [(after: Int64, target: String)] = [
        (0, "urn:schemas-upnp-org:device:InternetGatewayDevice:1"), (300, "urn:schemas-upnp-org:device:InternetGatewayDevice:2"),
        (600, "urn:schemas-upnp-org:device:WANConnectionDevice:1"), (900, "urn:schemas-upnp-org:device:WANConnectionDevice:2"),
        (2_500, "ssdp:all"),
    ]

    static func search(_ target: String, overIPv6: Bool = false) -> [UInt8] {
        let host = overIPv6 ? "[FF02::C]:1900" : "239.255.255.250:1900"
        return Array(
            "M-SEARCH * HTTP/1.1\r\nHOST: \(host)\r\nMAN: \"ssdp:discover\"\r\nMX: \(self.patience)\r\nST: \(target)\r\n\r\n".utf8)
    }

    /// Where the description of the device is that answers; nil for what is no answer, and for a device that is no gateway.
    static func location(in bytes: [UInt8]) -> String? {
        guard bytes.count <= MappingLimits.searchAnswerLength else { return nil }
        let lines = bytes.split { $0 == 0x0a }.map { HTTPHead.trimmedLine($0) }
        guard let start = lines.first, start.hasPrefix("HTTP/1."), start.split(separator: " ").dropFirst().first == "200" else {
            return nil
        }
        var (location, target): (String?, String?)
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
            switch line[..<colon].lowercased() {
            case "location": location = value
            case "st": target = value
            default: break
            }
        }
        guard let target, Self.gateways.contains(where: { target.hasPrefix($0) }) else { return nil }
        return location
    }

    private static let gateways = [
        "urn:schemas-upnp-org:device:InternetGatewayDevice:", "urn:schemas-upnp-org:device:WANConnectionDevice:",
        "urn:schemas-upnp-org:service:WANIPConnection:", "urn:schemas-upnp-org:service:WANPPPConnection:",
        "urn:schemas-upnp-org:service:WANIPv6FirewallControl:",
    ]
}

extension HTTPHead {
    /// A line without the carriage return and blanks at its end.
    fileprivate static func trimmedLine(_ bytes: ArraySlice<UInt8>) -> String {
        let end = bytes.lastIndex { $0 != 0x0d && $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? bytes.startIndex
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}
