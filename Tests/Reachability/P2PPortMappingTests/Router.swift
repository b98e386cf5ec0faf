import NIOCore
import P2PMultiaddr

@testable import P2PPortMapping

/// A router that speaks UPnP, as a value: answers requests, and may refuse what it is told to.
struct Router {
    static let address = IPAddress(v4: 0xc0a8_4d01)
    static let client = IPAddress(v4: 0xc0a8_4d02)
    static let network = IPNetwork(IPAddress(v4: 0xc0a8_4d00), prefixLength: 24)
    static let answer = Array(
        "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://192.168.77.1:5000/d.xml\r\n\r\n"
            .utf8)

    /// The requests that came, by the name of the action, with the body.
    var requests: [(action: String, body: String)] = []
    /// What the next requests to map are refused with.
    var faults: [UInt16] = []
    var externalAddress = "45.33.0.1"
    var status = "Connected"
    var isGone = false
    var hasForgotten = false

    static func fault(_ code: some CustomStringConvertible) -> [UInt8] {
        Array(
            """
            <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><detail>
            <UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>\(code)</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>
            """.utf8)
    }

    mutating func reply(to request: HTTPRequest) -> Result<HTTPReply, GatewayError> {
        guard !self.isGone else { return .failure(GatewayError("nobody answers")) }
        let text = String(decoding: request.bytes, as: UTF8.self)
        guard !text.hasPrefix("GET") else { return .success(HTTPReply(status: 200, body: IGDReadingTests.description())) }
        let action = text.split(separator: "#").dropFirst().first?.split(separator: "\"").first.map { String($0) } ?? ""
        self.requests.append((action, text))
        var values = ""
        switch action {
        case "GetStatusInfo": values = "<NewConnectionStatus>\(self.status)</NewConnectionStatus>"
        case "GetExternalIPAddress": values = "<NewExternalIPAddress>\(self.externalAddress)</NewExternalIPAddress>"
        case "AddPortMapping" where !self.faults.isEmpty, "AddAnyPortMapping" where !self.faults.isEmpty:
            return .success(HTTPReply(status: 500, body: Self.fault(self.faults.removeFirst())))
        case "GetSpecificPortMappingEntry" where self.hasForgotten: return .success(HTTPReply(status: 500, body: Self.fault(714)))
        case "GetSpecificPortMappingEntry": values = "<NewInternalClient>192.168.77.2</NewInternalClient>"
        default: break
        }
        return .success(HTTPReply(status: 200, body: Array("<e><b><u:R xmlns:u=\"x\">\(values)</u:R></b></e>".utf8)))
    }

    func count(_ action: String) -> Int { self.requests.count { $0.action == action } }
}
