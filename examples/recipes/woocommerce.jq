# WooCommerce orders (webhooks order.created, order.updated, order.deleted; REST v3) and refunds
# (GET /wc/v3/refunds) as order events of accrual, one JSON line each:
#
#   jq -c --arg shop acme -f woocommerce.jq < webhook.json      # or jaq, with the same options
#
# The key of the Kafka record is `data.order_id`.
#
# What the payload does not say, and what is assumed:
# - Order of webhooks: none is needed. Each carries the whole order, `date_modified_gmt` decides.
#   It is to the second; of two webhooks of one second the event id decides.
# - Times in GMT have no `Z`: it is added.
# - Statuses: `failed` and `on-hold` are no end, the order may be paid later under the same id: they
#   take `paid` back. `cancelled` and `trash` cancel, from this webhook's time; any other status
#   takes that back. Paid is `date_paid_gmt` while the status is one of a paid order.
# - Delivery is not tracked: `completed` counts as shipped and delivered. A `delay_days` of the
#   rule can stand for the way.
# - Guests have `customer_id` 0. Everybody else was logged in.
# - Goods: of what rules choose goods by there are `sku` and `product_id`. Categories, brands and
#   tags are not in it.
# - Tax: `subtotal` and `total` of lines are without tax, whatever `prices_include_tax` says.
# - Prices: a line has its subtotal, not a list price. Where it cannot be divided by the quantity,
#   the price is rounded up and the line's discount takes the difference off.
# - Fees: those above 0 are surcharges, those below 0 a discount of the order.
# - Refunds: there is no webhook of their own, and the list in the order has no more than a total
#   with tax and shipping. Fetch each refund when an order.updated shows a new one, and pass it
#   here; `parent_id` (GET /wc/v3/refunds) names its order. Where all lines have a quantity, the
#   lines count, else what was taken off their prices; one without lines counts with its `amount`,
#   which may hold tax and shipping.

def micros: (. // "0") | tostring
  | capture("^(?<minus>-?)(?<whole>[0-9]+)([.](?<part>[0-9]+))?$")
  | (.whole + ((.part // "") + "000000")[:6] | tonumber) * (if .minus == "-" then -1 else 1 end);
def money: tostring
  | (if length < 7 then "0000000"[length:] + . else . end)
  | .[-6:] as $part | .[:-6] + (if $part == "000000" then "" else "." + ($part | sub("0+$"; "")) end);
def total(f): [f | micros] | add // 0;
def id: if . == null or . == 0 then null else tostring end;
def utc: if . == null then null else . + "Z" end;

def event($type; $id; $time; $order; $data): {
  specversion: "1.0",
  id: $id,
  source: "/woocommerce/\($shop)",
  type: $type,
  subject: $order,
  time: $time,
  data: ({shop_id: $shop, order_id: $order} + $data)
};

# The unit price in millionths, rounded up.
def unit: (.subtotal | micros) as $all | .quantity as $n
  | ($all % $n) as $rest | ($all - $rest) / $n + (if $rest > 0 then 1 else 0 end) | floor;

def line: unit as $unit | {
  id: (.id | id),
  sku: .sku,
  product_id: (.product_id | id),
  quantity: .quantity,
  unit_price: ($unit | money),
  discount_total: ($unit * .quantity - (.total | micros) | money),
  tax_total: .total_tax
};

def refunded: {id: ((.meta_data[]? | select(.key == "_refunded_item_id") | .value) // .id | id), quantity: -.quantity};

def refund:
  (.parent_id | id) as $order
  | (.line_items // []) as $lines
  | (if ($lines | length) == 0 then {amount: .amount}
     elif ($lines | all(.quantity < 0)) then {line_items: [$lines[] | refunded]}
     else {amount: (-total($lines[].total) | money)} end) as $what
  | event("order.refunded"; "refund-\(.id)"; (.date_created_gmt | utc); $order;
      {refund: ({id: (.id | id)} + $what)});

def order:
  (.date_modified_gmt | utc) as $time
  | (.status == "processing" or .status == "completed" or .status == "refunded"
     or .status == "cancelled" or .status == "trash") as $settled
  | (.status == "cancelled" or .status == "trash") as $cancelled
  | (if .status == "completed" then (.date_completed_gmt | utc) else null end) as $completed
  | {
      created_at: (.date_created_gmt | utc),
      channel: (if .created_via == "pos" then "pos" else "online" end),
      currency: .currency,
      customer: (if (.customer_id | id) == null then null
        else {id: (.customer_id | id), logged_in: true} end),
      line_items: [.line_items[] | select(.quantity > 0) | line],
      subtotal: (reduce (.line_items[] | select(.quantity > 0)) as $l (0; . + $l.quantity * ($l | unit)) | money),
      discount_total: (-total(.fee_lines[]? | .total | select(micros < 0)) | money),
      surcharge_total: (total(.fee_lines[]? | .total | select(micros > 0)) | money),
      shipping_total: (.shipping_total // "0"),
      tax_total: (total(.line_items[].total_tax) | money),
      prices_include_tax: false,
      payment_method: (if .payment_method == "" then null else .payment_method end),
      delivery: {type: (if .created_via == "pos" then "none" else "home" end)},
      paid_at: (if $settled then (.date_paid_gmt | utc) else null end),
      shipped_at: $completed,
      delivered_at: $completed,
      completed_at: $completed,
      cancelled_at: (if $cancelled then $time else null end)
    } as $order
  | event("order.updated"; "order-\(.id)-\($time)"; $time; (.id | id); {order: $order});

if has("refunded_by") then refund
elif .status == "checkout-draft" or .status == "auto-draft" then empty
else order end
