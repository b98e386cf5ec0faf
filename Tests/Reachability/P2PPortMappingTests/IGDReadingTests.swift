import NIOCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("What UPnP devices send")
struct IGDReadingTests {
    static let location = "http://192.168.77.1:5000/d.xml"

    static func description(base: String = "", name: String = "gateway", control: String = "/c", type: String = "WANIPConnection:1")
        -> [UInt8]
    {
        Array(
            """
            <?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">\(base)<device><friendlyName>\(name)</friendlyName>
            <deviceList><device><deviceList><device><serviceList>
            <service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/other</controlURL></service>
            <service><serviceType>urn:schemas-upnp-org:service:\(type)</serviceType><controlURL>\(control)</controlURL></service>
            </serviceList></device></deviceList></device></deviceList></device></root>
            """.utf8)
    }

    @Test("XML is elements and text; attributes, comments and prefixes are passed over")
    func xml() throws {
        var reader = XMLReader(
            Array("\u{feff}<?xml version='1.0'?><!-- a > b --><a:r x=\"1>2\"> <b/>t &amp; &#x41;&lt;<![CDATA[<c>]]></a:r>\0\0rubbish".utf8))
        var events: [XMLReader.Event] = []
        while let event = try reader.next() { events.append(event) }
        #expect(events == [.open("r"), .open("b"), .close, .text("t & A<"), .text("<c>"), .close])
    }

    @Test(
        "What is malformed, nested too deeply or has a document type is refused",
        arguments: [
            "<a>", "<a></b>", "</a>", "<a", "<a>&foo;</a>", "<a>&#xd800;</a>", "<!DOCTYPE r [<!ENTITY a 'x'>]><r>&a;</r>", "text", "<>x</>",
            "<a>&amp</a>", "<a><![CDATA[x</a>", String(repeating: "<a>", count: 17) + String(repeating: "</a>", count: 17),
            String(repeating: "<a>", count: 200_000),
        ])
    func malformedXML(_ text: String) {
        #expect(throws: GatewayError.self) {
            var reader = XMLReader(Array(text.utf8))
            while try reader.next() != nil {}
        }
    }

    @Test(
        "URLs are plain HTTP at an IP address that is written out",
        arguments: [
            ("http://192.168.77.1:5000/d.xml", "http://192.168.77.1:5000/d.xml"), ("HTTP://192.168.77.1", "http://192.168.77.1:80/"),
            ("http://192.168.77.1/a?b#c", "http://192.168.77.1:80/a?b"), ("https://192.168.77.1/", nil), ("http://router/", nil),
            ("http://192.168.77.1:0/", nil), ("http://192.168.77.1:65536/", nil), ("http://192.168.77.1:+80/", nil),
            ("http://u@192.168.77.1/", nil),
            ("http://[2600:77::1]/", "http://[2600:77::1]:80/"),
            ("http://[fe80::1]:5000/d.xml", "http://[fe80::1]:5000/d.xml"), ("http://[fe80::1%25eth0]/", nil), ("http://[::1", nil),
            ("http://[::1]x/", nil), ("http://[192.168.77.1]/", nil), ("http://2600:77::1/", nil), ("http://[]/", nil),
            ("http://192.168.77.1/a b", nil), ("http://192.168.77.1/\r\nX: y", nil), ("", nil), ("http://", nil),
            ("http://192.168.77.01/", nil), ("http://192.168.77.1/" + String(repeating: "a", count: 1_024), nil),
        ])
    func urls(_ text: String, _ expected: String?) {
        #expect((try? GatewayURL(text))?.description == expected)
    }

    @Test(
        "References are URLs, paths, or paths in the same folder",
        arguments: [
            ("/c", "http://192.168.77.1:5000/c"), ("c", "http://192.168.77.1:5000/x/c"),
            ("http://192.168.77.1:1/c", "http://192.168.77.1:1/c"),
            ("//192.168.77.1/c", nil),
        ])
    func references(_ text: String, _ expected: String?) throws {
        let base = try GatewayURL("http://192.168.77.1:5000/x/d.xml?y/z")
        #expect((try? base.resolving(text))?.description == expected)
    }

    @Test("The service that maps ports is found, the second version before the first")
    func services() throws {
        let location = try GatewayURL(Self.location)
        let service = try #require(try IGDService.all(in: Self.description(), at: location).first)
        #expect(
            service.type == "urn:schemas-upnp-org:service:WANIPConnection:1" && service.control.description == "http://192.168.77.1:5000/c")
        #expect(!service.choosesPorts)
        let base = "<URLBase>http://192.168.77.1:49152</URLBase>"
        let other = try #require(
            try IGDService.all(in: Self.description(base: base, control: "c", type: "WANIPConnection:2"), at: location).first)
        #expect(other.choosesPorts && other.control.description == "http://192.168.77.1:49152/c")
    }

    @Test("A description that leads elsewhere, describes nothing of use, or too much, is refused")
    func refusedDescriptions() throws {
        let location = try GatewayURL(Self.location)
        let many = String(repeating: "<service></service>", count: 65)
        for description in [
            Self.description(control: "http://45.33.0.9/c"), Self.description(base: "<URLBase>http://45.33.0.9/</URLBase>"),
            Self.description(type: "WANIPConnection:9"), Array("<root>\(many)</root>".utf8), Array("<html></html>".utf8), [],
        ] {
            #expect(throws: GatewayError.self) { try IGDService.all(in: description, at: location) }
        }
    }

    @Test("An answer to the search is one only of a gateway, and short")
    func search() {
        let st = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
        let answer = "HTTP/1.1 200 OK\r\nST: \(st)\r\nlocation:  \(Self.location)\r\n\r\n"
        #expect(SSDPMessage.location(in: Array(answer.utf8)) == Self.location)
        #expect(SSDPMessage.location(in: Array(answer.replacing("\r\n", with: "\n").utf8)) == Self.location)
        for text in [
            answer.replacing("200", with: "404"), answer.replacing("Gateway", with: "Media"), answer.replacing("HTTP", with: "NOTIFY"),
            answer.replacing("location", with: "where"), answer + String(repeating: "x", count: 2_048), "", "\r\n\r\n",
        ] {
            #expect(SSDPMessage.location(in: Array(text.utf8)) == nil)
        }
    }

    @Test("A request to map a port has its arguments in the order of the service, and its length")
    func request() throws {
        let service = IGDService(
            type: "urn:schemas-upnp-org:service:WANIPConnection:1", control: try GatewayURL("http://192.168.77.1:5000/c"))
        let action = IGDAction.add(LocalPort(.tcp, 4001), external: 4002, client: IPAddress(v4: 0xc0a8_4d02), lease: 7_200, any: false)
        let text = String(decoding: action.request(to: service), as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1).map { String($0) }
        #expect(parts.count == 2 && text.hasPrefix("POST /c HTTP/1.1\r\nHost: 192.168.77.1:5000\r\n"))
        #expect(parts[0].contains("Content-Length: \(parts[1].utf8.count)"))
        #expect(parts[0].contains("SOAPAction: \"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\""))
        #expect(
            parts[1].contains(
                """
                <NewRemoteHost></NewRemoteHost><NewExternalPort>4002</NewExternalPort><NewProtocol>TCP</NewProtocol><NewInternalPort>4001\
                </NewInternalPort><NewInternalClient>192.168.77.2</NewInternalClient><NewEnabled>1</NewEnabled>\
                <NewPortMappingDescription>libp2p</NewPortMappingDescription><NewLeaseDuration>7200</NewLeaseDuration>
                """))
    }

    @Test("An error has its number; one without is no answer")
    func faults() throws {
        let fault = try IGDAction.Answer(HTTPReply(status: 500, body: Router.fault(718)))
        #expect(fault.fault == .conflict && fault.fault?.description == "718 (conflict with another mapping)")
        #expect(throws: GatewayError.self) { try IGDAction.Answer(HTTPReply(status: 500, body: Array("<a></a>".utf8))) }
        #expect(throws: GatewayError.self) { try IGDAction.Answer(HTTPReply(status: 500, body: Router.fault("9999999"))) }
    }

    @Test(
        "A reply is read in pieces of any size, by its length, in chunks, or to the end",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false), ("HTTP/1.0 200 OK\r\n\r\nabc", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n01;x=y\r\nc\r\n0\r\n\r\n", false),
        ], [1, 2, 7, 1_000])
    func replies(_ reply: (text: String, needsEnd: Bool), size: Int) throws {
        var reader = HTTPReplyReader(bodyLimit: 3)
        var bytes = Array(reply.text.utf8)[...]
        var read: HTTPReply?
        while !bytes.isEmpty, read == nil {
            var piece = ByteBuffer(bytes: bytes.prefix(size))
            bytes = bytes.dropFirst(size)
            read = try reader.received(&piece)
        }
        if reply.needsEnd {
            #expect(read == nil)
            read = try reader.ended()
        }
        #expect(read == HTTPReply(status: 200, body: Array("abc".utf8)))
    }

    @Test(
        "A reply that is too long, malformed or cut short is refused",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nabcd",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + String(repeating: "0", count: 100),
            "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 8 * 1_024) + "\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        ])
    func refusedReplies(_ text: String) {
        #expect(throws: GatewayError.self) {
            var reader = HTTPReplyReader(bodyLimit: 3)
            var bytes = ByteBuffer(string: text)
            guard try reader.received(&bytes) == nil else { return }
            _ = try reader.ended()
        }
    }
}
